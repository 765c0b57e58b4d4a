import { defineConfig } from "vite";
import { world } from "./world.mjs";

// One classic script without imports, so that a report is one file that needs no network. The text is ASCII, and the same
// sources and lock file always give the same bytes: a test compares them with the committed bundle.
export default defineConfig({
  plugins: [world()],
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  esbuild: { charset: "ascii", legalComments: "none", jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2020",
    outDir: "../src/report/assets",
    emptyOutDir: false,
    reportCompressedSize: false,
    lib: { entry: "src/report/main.tsx", name: "assayReport", formats: ["iife"], fileName: () => "report.js" },
  },
});
