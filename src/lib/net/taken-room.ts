/** Reserves memory; undefined when it is available at once. */
export type TakeRoom = (bytes: number) => Promise<void> | undefined

/** Memory is reserved in pieces of this size; less is not counted. */
const pieceBytes = 1024 * 1024
const uncountedBytes = 64 * 1024
/** Copies of an answer in memory: its chunks, their concatenation, and the text. */
const copies = 3

/** Counts the bytes of an answer as they arrive. Returns a promise when the next ones must wait for memory. */
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
