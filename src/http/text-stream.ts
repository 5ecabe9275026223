import { Readable } from 'node:stream'

/** Shorter pieces are joined before they are sent. */
const pieceCharacters = 16 * 1024

/** Generates a JSON text that contains a list. `opening` ends where the list begins; `closing` follows the list. */
export async function* listText(
  opening: string,
  values: AsyncIterable<unknown>,
  closing: string,
): AsyncGenerator<string> {
  let before = `${opening}[`
  for await (const value of values) {
    yield before + JSON.stringify(value)
    before = ','
  }
  yield `${before === ',' ? '' : before}]${closing}`
}

async function* pieces(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let piece = ''
  for await (const text of texts) {
    piece += text
    if (piece.length < pieceCharacters) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

/** Streams text while it is generated, no faster than the client reads. When the client leaves, the generator ends. */
export const textStream = (texts: AsyncIterable<string>): Readable =>
  Readable.from(pieces(texts), { objectMode: false, highWaterMark: 1 })
