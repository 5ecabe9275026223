/** Types that a browser may display: none can carry a script. */
const shownInline =
  /^(image\/(png|jpeg|gif|webp|avif|bmp)|(audio|video)\/[\w.+-]+|text\/(plain|csv|markdown)|application\/json)$/

const encodeExtended = (text: string): string =>
  encodeURIComponent(text).replace(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)

/** Content-Disposition of a file: `filename`, and `filename*` too when the name is not ASCII. */
export const disposition = (name: string, contentType: string, inline: boolean): string => {
  const kind = inline && shownInline.test(contentType.split(';', 1)[0]!.trim().toLowerCase()) ? 'inline' : 'attachment'
  const plain = name.replace(/[^\x20-\x7e]/g, '_').replace(/["\\]/g, '_')
  const extended = plain === name ? '' : `; filename*=UTF-8''${encodeExtended(name)}`
  return `${kind}; filename="${plain}"${extended}`
}
