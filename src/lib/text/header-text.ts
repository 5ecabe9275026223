/** A text as the value of a header may have it. */
export const headerText = (text: string, mostCharacters: number): string =>
  text.replace(/[^\x20-\x7e]/g, '?').slice(0, mostCharacters)
