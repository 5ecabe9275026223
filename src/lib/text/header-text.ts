/** Makes a text safe as a header value. */
export const headerText = (text: string, mostCharacters: number): string =>
  text.replace(/[^\x20-\x7e]/g, '?').slice(0, mostCharacters)
