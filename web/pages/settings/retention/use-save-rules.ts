import { useMutation, useQueryClient } from '@tanstack/react-query'
import { AppError } from '../../../../src/lib/errors.ts'
import type { RetentionTrial } from '../../../../src/model/collections/retention-preview.ts'
import { api } from '../../../data/api.ts'
import { showToast } from '../../../ui/toast.tsx'
import { settingsKey } from '../limits/settings-query.ts'

/** Saves rules, and never over the change of somebody else. */
export const useSaveRules = (collection: string, etag: string | null, change: RetentionTrial, onSaved: () => void) => {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: () =>
      api.updateCollectionSettings({
        params: { collection },
        body: change,
        headers: etag === null ? {} : { 'if-match': etag },
      }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: settingsKey(collection) })
      onSaved()
      showToast({ text: 'Saved' })
    },
    onError: (error) => {
      const isLate = error instanceof AppError && error.code === 'precondition_failed'
      if (isLate) void queries.invalidateQueries({ queryKey: settingsKey(collection) })
    },
  })
}
