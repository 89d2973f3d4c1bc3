/** A migration, imported as text. */
declare module "*.sql" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: what an import of text gives
  export default text;
}
