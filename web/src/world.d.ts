declare module "virtual:world" {
  // SVG paths of countries by their number of ISO 3166-1, and of land that has none.
  const world: { width: number; height: number; shapes: Record<string, string>; others: string };
  export default world;
}
