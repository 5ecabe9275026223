/** What one open answer keeps in memory for its record. */
export interface KeptAnswer {
  /** Whether so many bytes more are kept; once they were not, nothing is any more. */
  add(size: number): boolean
  /** More came than is kept. */
  readonly isTruncated: boolean
  /** To be called when it is on record. */
  free(): void
}

/** Room for the answers that are under way, all together. */
export type AnswerRoom = (mostBytes: number) => KeptAnswer

/** Of every answer so much is kept, whatever the others take: most are shorter. */
export const alwaysKept = 64 * 1024

/**
 * Makes the room that open answers share. Where it is full, long ones keep what they have and no more, while short ones are
 * recorded whole: nobody who fills it harms the calls of others, and no answer that is paid for is broken off.
 */
export const makeAnswerRoom = (roomBytes: number): AnswerRoom => {
  let taken = 0
  return (mostBytes) => {
    let size = 0
    let isTruncated = false
    return {
      get isTruncated() {
        return isTruncated
      },
      add(more) {
        const isMost = size + more > mostBytes
        const isFull = size + more > alwaysKept && taken + more > roomBytes
        if (isTruncated || isMost || isFull) {
          isTruncated = true
          return false
        }
        size += more
        taken += more
        return true
      },
      free() {
        taken -= size
        size = 0
      },
    }
  }
}
