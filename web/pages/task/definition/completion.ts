import type { Completion, CompletionContext, CompletionResult, CompletionSource } from '@codemirror/autocomplete'
import { useQuery } from '@tanstack/react-query'
import { useCallback, useRef } from 'react'
import type { StepTemplate } from '../../../../src/model/workflows/step-template.ts'
import { api } from '../../../data/api.ts'
import { completionsAt } from './completions-at.ts'

const asOption = ({ label, detail, apply }: ReturnType<typeof completionsAt>['options'][number]): Completion => ({
  label,
  ...(detail === undefined ? {} : { detail }),
  ...(apply === undefined ? {} : { apply }),
})

/** Completes activities, parameters and paths in a workflow. The catalogue is loaded with the editor. */
export const useCompletion = (): CompletionSource => {
  const templates = useQuery({
    queryKey: ['step-templates'],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => api.listStepTemplates({ signal }),
  })
  const known = useRef<readonly StepTemplate[]>([])
  known.current = templates.data?.templates ?? []
  return useCallback(({ state, pos }: CompletionContext): CompletionResult | null => {
    const { from, options } = completionsAt(state.doc.toString(), pos, known.current)
    return options.length === 0 ? null : { from, options: options.map(asOption), validFor: /^[\w.-]*$/ }
  }, [])
}
