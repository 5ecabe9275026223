import { useMutation, useQueryClient } from '@tanstack/react-query'
import { AppError } from '../../../../src/lib/errors.ts'
import type { RetentionTrial } from '../../../../src/model/collections/retention-preview.ts'
import { api } from '../../../data/api.ts'
import { showToast } from '../../../ui/toast.tsx'
import { type ReadSettings, settingsKey } from '../limits/settings-query.ts'
import type { RetentionEntry } from './retention-entry.ts'

/** Rules as they are typed, and the settings that they change. */
export interface TypedRules {
  entry: RetentionEntry
  of: ReadSettings
}

interface SentRules {
  change: RetentionTrial
  of: ReadSettings
  typed: TypedRules | undefined
}

interface SaveRulesEnd {
  onSaved: (typed: TypedRules | undefined, now: ReadSettings) => void
  /** Somebody else was faster. */
  onLate: (now: ReadSettings) => void
}

/** Saves rules, and never over a change of somebody else that this person was not told of. */
export const useSaveRules = (collection: string, { onSaved, onLate }: SaveRulesEnd) => {
  const queries = useQueryClient()
  const readAgain = async (before: ReadSettings): Promise<ReadSettings> => {
    await queries.invalidateQueries({ queryKey: settingsKey(collection) })
    return queries.getQueryData<ReadSettings>(settingsKey(collection)) ?? before
  }
  return useMutation({
    mutationFn: ({ change, of: { etag } }: SentRules) =>
      api.updateCollectionSettings({
        params: { collection },
        body: change,
        headers: etag === null ? {} : { 'if-match': etag },
      }),
    onSuccess: async (_, { typed, of }) => {
      onSaved(typed, await readAgain(of))
      showToast({ text: 'Saved' })
    },
    onError: async (error, { of }) => {
      if (error instanceof AppError && error.code === 'precondition_failed') onLate(await readAgain(of))
    },
  })
}
