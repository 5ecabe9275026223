import type { Completion, CompletionContext, CompletionResult, CompletionSource } from '@codemirror/autocomplete'
import { useCallback, useRef } from 'react'
import { completionsAt, type Known } from './completions-at.ts'
import { useStepTemplates } from './use-step-templates.ts'

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
  const templates = useStepTemplates()
  const known = useRef<Known>({ templates: [], steps })
  known.current = { templates, steps }
  return useCallback(({ state, pos }: CompletionContext): CompletionResult | null => {
    const { from, options } = completionsAt(state.doc.toString(), pos, known.current)
    return options.length === 0 ? null : { from, options: options.map(asOption), validFor: /^[\w.-]*$/ }
  }, [])
}
