// Answers about the pages on which a task or a runbook is begun.
import type { RunbookPreflight } from '../../src/model/runbooks/runbook-request.ts'
import { standardRunbookTask, standardRunbookWorkflow } from '../../src/model/runbooks/standard-runbook.ts'
import type { WorkflowCheck } from '../../src/model/workflows/workflow-check.ts'
import { runbookTemplate } from '../../src/sandbox/runbooks/format/templates.ts'
import { validateRunbook } from '../../src/sandbox/runbooks/format/validate.ts'

const check: WorkflowCheck = {
  ...{ valid: true, problems: [], execution: 'sequential', steps_total: 1, bindings: {} },
  steps: [
    {
      ...{ name: 'ask', activity: 'litellm_chat', is_listed: true, depends_on: [], after: [], decided_by: [] },
      ...{ branch: null, loop: null, structured_outputs: [] },
    },
  ],
}

const content = runbookTemplate('New Task', 'programmatic')
const params = { agent: null, model: null, model_provider: null, instruction: content, vars: {} }
const preflight: RunbookPreflight = {
  ready: false,
  checks: [
    { name: 'runbook', state: 'ok', found: 'It can be read', field: null, fix: null },
    {
      ...{ name: 'model', state: 'failed', found: 'ANTHROPIC_API_KEY is not configured', field: 'agent' },
      fix: 'Set it in the environment of the collection.',
    },
  ],
  ...{ agent: 'claude-code', model: null, model_provider: null, snapshot: 'python312-uv', image: null },
  ...{ missing_variables: [], missing_secrets: [] },
}

/** Pages on which something is begun, as they open, with answers by method and path. */
export const newPageFixtures: readonly { name: string; page: string; answers: Readonly<Record<string, unknown>> }[] = [
  { name: 'new-task', page: '/acme/-/new-task', answers: { 'POST /api/v1/workflows/check': check } },
  {
    name: 'new-runbook',
    page: '/acme/-/new-runbook',
    answers: {
      'GET /api/v1/runbooks/template': {
        content,
        task: { workflow: standardRunbookWorkflow(params), ...standardRunbookTask },
      },
      'POST /api/v1/runbooks/validate': validateRunbook(content, 'loose'),
      'POST /api/v1/runbooks/preflight': preflight,
      'GET /v1/models': { object: 'list', data: [] },
    },
  },
]
