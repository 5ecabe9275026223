/** Quotes any text as one word for `sh`. */
export const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`
