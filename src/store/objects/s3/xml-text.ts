const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

const decode = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(lt|gt|quot|apos|amp));/gi, (whole, hex, decimal, name) => {
    if (name) return entities[name.toLowerCase()] ?? whole
    const point = Number.parseInt(hex ?? decimal, hex ? 16 : 10)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })

/** Returns the text of the first element of this name in an answer of S3, whose documents have no attributes. */
export const elementText = (xml: string, name: string): string | undefined => {
  const [start, end] = [xml.indexOf(`<${name}>`), xml.indexOf(`</${name}>`)]
  return start < 0 || end < start ? undefined : decode(xml.slice(start + name.length + 2, end))
}

/** Returns the inner XML of every element of this name, in order. */
export const elements = (xml: string, name: string): string[] => {
  const found: string[] = []
  const [open, close] = [`<${name}>`, `</${name}>`]
  for (let at = xml.indexOf(open); at >= 0; ) {
    const end = xml.indexOf(close, at)
    if (end < 0) break
    found.push(xml.slice(at + open.length, end))
    at = xml.indexOf(open, end)
  }
  return found
}

/** Escapes text for an element. */
export const escapeXml = (text: string): string =>
  text.replace(/[<>&]/g, (sign) => (sign === '<' ? '&lt;' : sign === '>' ? '&gt;' : '&amp;'))
