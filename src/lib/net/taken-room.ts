/** Takes memory for so many bytes; undefined where there is room at once. */
export type TakeRoom = (bytes: number) => Promise<void> | undefined

/** Memory is taken in pieces of this size; the first bytes are too few to be counted. */
const pieceBytes = 1024 * 1024
const uncountedBytes = 64 * 1024
/** The pieces of an answer, all of them in one, and as text. */
const copies = 3

/** Counts the bytes of an answer as they come. Gives a promise where the next ones have to wait for memory. */
export const countRoom = (room: TakeRoom | undefined): ((bytes: number) => Promise<void> | undefined) => {
  let size = 0
  let held = uncountedBytes
  return (bytes) => {
    size += bytes
    if (size <= held || !room) return undefined
    const more = Math.max(pieceBytes, size - held)
    held += more
    return room(copies * more)
  }
}

/** The same answer, no faster than there is memory for it. */
export async function* countedChunks(body: AsyncIterable<Uint8Array>, room: TakeRoom): AsyncGenerator<Uint8Array> {
  const count = countRoom(room)
  for await (const chunk of body) {
    await count(chunk.length)
    yield chunk
  }
}
