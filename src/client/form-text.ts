/** Line breaks are CRLF in a form, whatever they were. */
const withFormBreaks = (text: string): string => text.replace(/\r?\n|\r/g, '\r\n')

const nameIn = (name: string): string =>
  withFormBreaks(name).replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22')

/** Encodes the fields of a form without files in the way that `fetch` encodes a `FormData`. */
export const formText = (
  fields: readonly (readonly [name: string, value: string])[],
): { type: string; text: string } => {
  const boundary = `----jetty-${[0, 0].map(() => Math.random().toString(36).slice(2)).join('')}`
  const parts = fields.map(
    ([name, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${nameIn(name)}"\r\n\r\n${withFormBreaks(value)}\r\n`,
  )
  return { type: `multipart/form-data; boundary=${boundary}`, text: `${parts.join('')}--${boundary}--\r\n` }
}
