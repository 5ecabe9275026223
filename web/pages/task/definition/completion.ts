import type { Completion, CompletionContext, CompletionResult, CompletionSource } from '@codemirror/autocomplete'
import { useQuery } from '@tanstack/react-query'
import { useCallback, useRef } from 'react'
import { api } from '../../../data/api.ts'
import { completionsAt, type Known } from './completions-at.ts'

const asOption = ({ label, detail, apply }: ReturnType<typeof completionsAt>['options'][number]): Completion => ({
  label,
  ...(detail === undefined ? {} : { detail }),
  ...(apply === undefined ? {} : { apply }),
})

/**
 * Completes activities, parameters and paths in a workflow. The catalogue is loaded with the editor; `steps` are those of
 * the last check.
 */
export const useCompletion = (steps: Known['steps']): CompletionSource => {
  const templates = useQuery({
    queryKey: ['step-templates'],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => api.listStepTemplates({ signal }),
  })
  const known = useRef<Known>({ templates: [], steps })
  known.current = { templates: templates.data?.templates ?? [], steps }
  return useCallback(({ state, pos }: CompletionContext): CompletionResult | null => {
    const { from, options } = completionsAt(state.doc.toString(), pos, known.current)
    return options.length === 0 ? null : { from, options: options.map(asOption), validFor: /^[\w.-]*$/ }
  }, [])
}
