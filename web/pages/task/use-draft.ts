import { useBlocker } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type { ReadTask } from './use-task.ts'

/** What a person makes of a task before it is saved. */
interface Draft<Edited> {
  /** The task that is edited. */
  base: ReadTask
  edited: Edited
  setEdited: (edited: Edited) => void
  isChanged: boolean
  /** Grows when the text was replaced: the key of an editor, which then opens anew. */
  opened: number
  /** Notes what was saved; what is typed stays. */
  saved: (saved: ReadTask) => void
  /** Begins again with another state of the task. */
  reset: (latest: ReadTask) => void
}

/**
 * Edits a task. What others save meanwhile is not taken over under the hands of this person, and nobody leaves without
 * having been asked.
 */
export const useDraft = <Edited>(
  read: ReadTask,
  begin: (task: ReadTask) => Edited,
  differs: (base: ReadTask, edited: Edited) => boolean,
): Draft<Edited> => {
  const [{ base, edited, opened, passed }, setState] = useState(() => ({
    ...{ base: read, edited: begin(read), opened: 0 },
    passed: undefined as ReadTask | undefined,
  }))
  const isChanged = differs(base, edited)
  const reset = (latest: ReadTask) =>
    setState((was) => ({ base: latest, edited: begin(latest), opened: was.opened + 1, passed: undefined }))
  // biome-ignore lint/correctness/useExhaustiveDependencies: `reset` is new at each render
  useEffect(() => {
    if (!isChanged && read !== passed && read.etag !== base.etag) reset(read)
  }, [read, base, isChanged, passed])
  useBlocker({
    shouldBlockFn: () => isChanged && !window.confirm('Leave without saving your changes?'),
    enableBeforeUnload: isChanged,
  })
  return {
    ...{ base, edited, isChanged, opened, reset },
    setEdited: (next) => setState((was) => ({ ...was, edited: next })),
    // What was read before is older than what is saved: to begin again with it would take the editor away.
    saved: (saved) => setState((was) => ({ ...was, base: saved, passed: read })),
  }
}
