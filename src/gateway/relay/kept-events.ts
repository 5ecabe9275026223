import { textMemory } from '../../lib/memory/json-memory.ts'
import type { Outcome } from '../ticket.ts'
import type { AnswerRoom } from './answer-room.ts'

/** Collects the events of an answer for its record, within the memory for records. */
export interface KeptEvents {
  /** Keeps an event. Without memory it keeps only events of the answer's end and of its usage. */
  add(text: string, isEnd: boolean): void
  /** Notes that a part of an event was passed on unread, so that the record is incomplete. */
  noteUnread(): void
  /** Returns the kept events in the form of the record. */
  recorded(): NonNullable<Outcome['answer']>
  /** Releases the memory, once the answer is on record. */
  free(): void
}

/** Events of up to this size are kept from the end of an answer whose middle was too large to keep. */
const longestEnd = 4096

/** Memory of an event beside its characters: a string, the one that it is a part of, and its place in the list. */
const eventBytes = 64

/** `mayStateUsage` matches every event that may contain the usage of its answer. */
export const keepEvents = (room: AnswerRoom, keptBytes: number, mayStateUsage: RegExp): KeptEvents => {
  const data: string[] = []
  const kept = room(keptBytes)
  let ends: string[] = []
  let hasUnread = false
  return {
    add(text, isEnd) {
      if (kept.add(textMemory(text) + eventBytes)) data.push(text)
      else if (text.length < longestEnd && (isEnd || mayStateUsage.test(text))) ends = [...ends.slice(-1), text]
    },
    noteUnread() {
      hasUnread = true
    },
    recorded: () => ({
      kind: 'events',
      data: ends.length === 0 ? data : [...data, ...ends],
      truncated: kept.isTruncated || hasUnread,
    }),
    free: kept.free,
  }
}
