// The module "virtual:world": country shapes of world-atlas (Natural Earth, public domain) as SVG paths, made when the bundle is built.
// Projected (Equal Earth), rounded to whole units and written as relative steps, they take a fifth of the room of the original.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { geoEqualEarth, geoPath } from "d3-geo";
import { feature } from "topojson-client";

const width = 1200;
const antarctica = 10;
const unnumbered = { Kosovo: 983 }; // places that have no number of ISO 3166-1, and ours

// What geoPath draws on: rings of whole units, without steps that round to nothing.
class Rings {
  constructor() {
    this.text = "";
    this.ring = [];
  }
  moveTo(x, y) {
    this.ring = [[Math.round(x), Math.round(y)]];
  }
  lineTo(x, y) {
    const [u, v] = this.ring[this.ring.length - 1];
    if (Math.round(x) !== u || Math.round(y) !== v) this.ring.push([Math.round(x), Math.round(y)]);
  }
  closePath() {
    if (this.ring.length < 3) return;
    this.text += `M${this.ring[0].join(" ")}l`;
    for (let i = 1; i < this.ring.length; i++)
      for (const axis of [0, 1]) {
        const step = this.ring[i][axis] - this.ring[i - 1][axis];
        this.text += `${step < 0 || this.text.endsWith("l") ? "" : " "}${step}`;
      }
    this.text += "z";
  }
}

export function world() {
  const name = "virtual:world";
  return {
    name: "world",
    resolveId: (id) => (id === name ? `\0${name}` : undefined),
    load(id) {
      if (id !== `\0${name}`) return undefined;
      const atlas = JSON.parse(readFileSync(createRequire(import.meta.url).resolve("world-atlas/countries-110m.json"), "utf8"));
      const all = feature(atlas, atlas.objects.countries).features.filter((shape) => Number(shape.id) !== antarctica);
      const projection = geoEqualEarth().precision(0).fitWidth(width, { type: "FeatureCollection", features: all });
      const height = Math.ceil(geoPath(projection).bounds({ type: "FeatureCollection", features: all })[1][1]);
      const shapes = {};
      const others = [];
      for (const shape of all) {
        const rings = new Rings();
        geoPath(projection, rings)(shape);
        const number = Number(shape.id) || unnumbered[shape.properties.name];
        if (number) shapes[number] = rings.text;
        else others.push(rings.text);
      }
      return `export default ${JSON.stringify({ width, height, shapes, others: others.join("") })};`;
    },
  };
}
