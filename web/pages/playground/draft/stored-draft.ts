import { emptyDraft, type PlaygroundDraft } from './draft.ts'

const storedName = 'jetty.playground'

/** An answer that was under way when the page was left has stopped with it. */
const settled = (draft: PlaygroundDraft): PlaygroundDraft => ({
  ...draft,
  turns: draft.turns.map((turn) => ({
    ...turn,
    answers: turn.answers.map((answer) => (answer.state === 'streaming' ? { ...answer, state: 'stopped' } : answer)),
  })),
})

/** Reads the draft of this tab; a new one where there is none. */
export const readDraft = (): PlaygroundDraft => {
  try {
    const stored = JSON.parse(sessionStorage.getItem(storedName) ?? '{}') as Partial<PlaygroundDraft>
    return settled({ ...emptyDraft, ...stored, fields: { ...emptyDraft.fields, ...stored.fields } })
  } catch {
    return emptyDraft
  }
}

const withoutPictures = (draft: PlaygroundDraft): PlaygroundDraft => ({
  ...draft,
  pictures: [],
  turns: draft.turns.map((turn) => ({ ...turn, pictures: [] })),
})

/** Keeps the draft in this tab. Browsers keep about 5 MB: pictures that do not fit are left out. */
export const storeDraft = (draft: PlaygroundDraft): void => {
  for (const kept of [draft, withoutPictures(draft)]) {
    try {
      sessionStorage.setItem(storedName, JSON.stringify(kept))
      return
    } catch {
      // No room, or a browser that stores nothing: the page works without.
    }
  }
}
