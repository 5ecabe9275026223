import type { CompletionContext, CompletionResult, CompletionSource } from '@codemirror/autocomplete'
import { useCallback, useRef } from 'react'
import type { RunbookParameter } from '../../../../src/model/runbooks/runbook.ts'
import { runbookCompletions } from './runbook-completions.ts'

/** Completes parameters and the front matter while a runbook is typed. */
export const useRunbookCompletion = (parameters: readonly RunbookParameter[] | undefined): CompletionSource => {
  const known = useRef<readonly string[]>([])
  known.current = parameters?.map(({ name }) => name) ?? known.current
  return useCallback(({ state, pos }: CompletionContext): CompletionResult | null => {
    const { from, options } = runbookCompletions(state.doc.toString(), pos, known.current)
    return options.length === 0 ? null : { from, options, validFor: /^[\w.-]*$/ }
  }, [])
}
