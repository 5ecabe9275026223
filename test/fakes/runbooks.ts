// In the place of agents and sandboxes: what a test says comes of each runbook.
import { Readable } from 'node:stream'
import type { RunbookPreflight, RunbookRequest } from '../../src/model/runbooks/runbook-request.ts'
import type { RunbookHost, RunbookOutcome, RunbookPlace } from '../../src/model/runbooks/runbook-run.ts'
import type { RunbookRunner } from '../../src/server/lazy-runbook-runner.ts'

export interface FakeRunbooks extends RunbookRunner {
  /** What was asked for, in order. */
  carriedOut: RunbookRequest[]
  lookedAt: { request: RunbookRequest; place: RunbookPlace }[]
  /** Changes what comes of the next ones. */
  work: (request: RunbookRequest, host: RunbookHost) => Promise<Partial<RunbookOutcome>>
  /** What is found wrong, by the name of the check. */
  wrong: Record<string, string>
}

/** What comes of a runbook of which nothing else is said. */
export const succeeded: RunbookOutcome = {
  failure: null,
  results_files: [],
  files: [],
  primary_files: [],
  text: 'Carried out.',
  agent: 'scripted',
  model: 'scripted',
  model_provider: null,
  snapshot: 'python312-uv',
  image: null,
  sandbox: 'bubblewrap',
  exit_code: 0,
  agent_log: null,
  usage: {
    prompt_tokens: 100,
    completion_tokens: 20,
    total_tokens: 120,
    cost_usd: null,
    duration_seconds: 1,
    api_calls: 1,
  },
  results_dir: '/app/results',
  validation_report: null,
  verification: null,
}

/** A file that an agent has made. */
export const made = (name: string, text: string) => ({
  name,
  content_type: 'text/plain',
  size: Buffer.byteLength(text),
  open: () => Readable.from([Buffer.from(text)]),
})

const preflightOf = (wrong: Record<string, string>): RunbookPreflight => ({
  ready: Object.keys(wrong).length === 0,
  checks: Object.entries(wrong).map(([name, found]) => ({
    name,
    state: 'failed',
    found,
    fix: `Mend the ${name}.`,
    field: name,
  })),
  agent: 'scripted',
  model: 'scripted',
  model_provider: null,
  snapshot: 'python312-uv',
  image: null,
  missing_variables: [],
  missing_secrets: [],
})

export const makeFakeRunbooks = (): FakeRunbooks => {
  const fake: FakeRunbooks = {
    carriedOut: [],
    lookedAt: [],
    wrong: {},
    work: async () => ({}),
    async carryOut(request, host) {
      fake.carriedOut.push(request)
      return { ...succeeded, ...(await fake.work(request, host)) }
    },
    async preflight(request, place) {
      fake.lookedAt.push({ request, place })
      return preflightOf(fake.wrong)
    },
    reap: async () => 0,
    close: async () => {},
  }
  return fake
}
