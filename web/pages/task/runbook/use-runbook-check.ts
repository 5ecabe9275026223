import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { api } from '../../../data/api.ts'
import { useSettled } from '../../../data/settled.ts'
import { findingsOf } from './findings.ts'

/** What is checked: the text, and what a run of it would be given. */
interface CheckedRunbook {
  collection: string
  content: string
  /** Empty: what the runbook says. */
  agent: string
  model: string
  vars: Readonly<Record<string, unknown>>
}

const settings = { placeholderData: keepPreviousData, staleTime: 5_000, gcTime: 10_000 }

/** What the server finds in a runbook that is being written, and whether it could run now. */
export const useRunbookCheck = (runbook: CheckedRunbook) => {
  const settled = useSettled(JSON.stringify(runbook))
  const { collection, content, agent, model, vars } = useMemo(() => JSON.parse(settled) as CheckedRunbook, [settled])
  const isOn = content.trim() !== ''
  const validation = useQuery({
    ...settings,
    queryKey: ['runbook-validation', content],
    enabled: isOn,
    queryFn: ({ signal }) => api.validateRunbook({ body: { content }, signal }),
  })
  const preflight = useQuery({
    ...settings,
    queryKey: ['runbook-preflight', settled],
    enabled: isOn,
    queryFn: ({ signal }) =>
      api.preflightRunbook({
        body: { collection, content, agent: agent || null, model: model || null, template_variables: vars },
        signal,
      }),
  })
  const findings = useMemo(
    () => (isOn ? findingsOf(content, validation.data, preflight.data) : []),
    [isOn, content, validation.data, preflight.data],
  )
  return {
    findings,
    isEmpty: !isOn,
    parameters: validation.data?.parameters,
    preflight: isOn ? preflight.data : undefined,
    error: validation.error ?? preflight.error,
  }
}
