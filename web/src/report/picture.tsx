import { useLayoutEffect, useRef } from "preact/hooks";

export const colours = ["var(--series-1)", "var(--series-2)", "var(--series-3)", "var(--series-4)", "var(--series-5)", "var(--series-6)"];
export const symbols = ["circle", "square", "triangle", "diamond", "star", "wye"] as const;

// A chart is drawn again when its width changes, so that its text keeps its size.
export function Picture({ label, draw }: { label: string; draw: (width: number) => Element }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const frame = place.current;
    if (!frame) return;
    let drawn = 0;
    const redraw = () => {
      const width = Math.floor(frame.clientWidth);
      if (width < 50 || width === drawn) return;
      drawn = width;
      const picture = draw(width);
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", label);
      frame.replaceChildren(picture);
    };
    redraw();
    const observer = new ResizeObserver(redraw);
    observer.observe(frame);
    return () => observer.disconnect();
  }, [label]);
  return <div class="picture" ref={place} />;
}
