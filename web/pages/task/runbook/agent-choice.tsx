import { useQuery } from '@tanstack/react-query'
import { useId } from 'react'
import type { RunbookAgent } from '../../../../src/model/runbooks/runbook-agents.ts'
import type { RunbookPreflight } from '../../../../src/model/runbooks/runbook-request.ts'
import { api } from '../../../data/api.ts'
import { SelectField, TextField } from '../../../ui/field.tsx'

const agents: Record<RunbookAgent, string> = {
  'claude-code': 'claude-code',
  codex: 'codex',
  'gemini-cli': 'gemini-cli',
  opencode: 'opencode',
  scripted: 'scripted (no model: it runs the shell blocks)',
}

interface AgentChoiceProps {
  collection: string
  /** Empty: what the runbook says. */
  agent: string
  model: string
  /** Undefined: another part of the workflow decides it. */
  onAgent: ((agent: string) => void) | undefined
  onModel: ((model: string) => void) | undefined
  preflight: RunbookPreflight | undefined
}

/** Who carries a runbook out. The choice is saved with the runbook, and outweighs its front matter. */
export const AgentChoice = ({ collection, agent, model, onAgent, onModel, preflight }: AgentChoiceProps) => {
  const id = useId()
  const models = useQuery({
    queryKey: ['routable-models', collection],
    queryFn: ({ signal }) => api.listRoutableModels({ query: { collection }, signal }),
    staleTime: 60_000,
    enabled: onModel !== undefined,
  })
  const said = (found: string | null | undefined, choice: string) =>
    found && choice === '' ? `as the runbook says: ${found}` : 'as the runbook says'
  return (
    <div className="flex flex-col gap-4">
      {onAgent && (
        <SelectField
          label="Agent"
          value={agent}
          onChange={(event) => onAgent(event.target.value)}
          options={[['', said(preflight?.agent, agent)], ...Object.entries(agents)]}
        />
      )}
      {onModel && (
        <>
          <TextField
            label="Model"
            list={id}
            isCode
            value={model}
            placeholder={said(preflight?.model, model)}
            onChange={(event) => onModel(event.target.value.trim())}
          />
          <datalist id={id}>
            {models.data?.data.map((one) => (
              <option key={one.id} value={one.id} />
            ))}
          </datalist>
        </>
      )}
    </div>
  )
}
