import { afterEach, beforeEach, expect, it } from 'vitest'
import type { PreflightCheck, RunbookPreflight } from '../../model/runbooks/runbook-request.ts'
import { askMissing } from './ask-missing.ts'

const { isTTY } = process.stdin
beforeEach(() => {
  process.stdin.isTTY = true
})
afterEach(() => {
  process.stdin.isTTY = isTTY
})

const failed = (name: string): PreflightCheck => ({ name, state: 'failed', found: 'no', fix: 'Do it.', field: null })
const lacking = (...names: string[]): RunbookPreflight => ({
  ready: false,
  checks: names.map(failed),
  agent: 'claude-code',
  model: null,
  model_provider: null,
  snapshot: null,
  image: null,
  missing_variables: ['subject'],
  missing_secrets: ['APIFY_API_TOKEN'],
})

it.each([
  ['a key', lacking('key', 'variables', 'secrets'), () => {}],
  ['a secret that cannot be kept', lacking('variables', 'secrets'), undefined],
])('asks for nothing where %s is missing, which nobody can answer with', async (_what, found, setSecret) => {
  const request = { instruction: '# Do {{subject}}' }
  expect(await askMissing(request, found, setSecret)).toBe(request)
})
