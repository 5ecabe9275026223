import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import type { ScriptOutcome, ScriptRequest } from '../../model/scripts/script-run.ts'
import { FailedWith } from '../activity.ts'
import { script } from './script.ts'

const outcome: ScriptOutcome = {
  ...{ end: 'exit', exitCode: 0, result: { text: '{"n":1}' }, stdout: '', stderr: '', files: [], warnings: [] },
  ...{ refusedHosts: [], durationMs: 12, sandbox: 'bubblewrap' },
  limits: { seconds: 60, memoryBytes: 1024 ** 2, diskBytes: 1024 ** 2, outputBytes: 1024, pids: 16 },
}

const run = async (parameters: object, ended: Partial<ScriptOutcome> = {}) => {
  const requests: ScriptRequest[] = []
  const context = makeTestContext({
    env: { TOKEN: 'value', LONG: '日'.repeat(60_000) },
    files: { 'acme/main.py': { content_type: 'text/x-python', body: 'return 2' } },
    runScript: async (request) => {
      requests.push(request)
      return { ...outcome, ...ended }
    },
  })
  const result = await runActivity(script, { language: 'python', ...parameters }, context)
  return { result, request: requests[0], warnings: context.warnings }
}

it('passes on what the step names, and nothing else', async () => {
  const { request, result } = await run({
    ...{ language: 'bash', code: 'true', inputs: { a: 1 }, env: ['TOKEN'], network: ['a.example.com'], timeout_sec: 5 },
  })
  expect(request).toEqual({
    ...{ language: 'shell', code: 'true', inputs: '{"a":1}', files: [], env: { TOKEN: 'value' } },
    ...{ network: ['a.example.com'], packages: [], seconds: 5 },
  })
  expect(result).toEqual({ result: { n: 1 }, stdout: '', stderr: '', exit_code: 0, files: [], duration_seconds: 0.012 })
})

it('reads the script from a file', async () => {
  expect((await run({ file: 'acme/main.py' })).request?.code).toBe('return 2')
})

it.each([
  [{}, /one source/],
  [{ code: '1', file: 'acme/main.py' }, /one source/],
  [{ code: '1', env: ['TOKEN', 'NONE', 'NEITHER'] }, /no NONE, NEITHER/],
  [{ code: '1', env: ['a-b'] }, /API_TOKEN/],
  [{ code: '1', env: ['LONG'] }, /LONG cannot be a variable/],
  [{ code: '1', network: ['https://a.example.com/x'] }, /api\.example\.com/],
  [{ code: '1', network: ['*'] }, /api\.example\.com/],
  [{ code: '1', language: 'ruby' }, /language/],
])('refuses %j', async (parameters, message) => {
  await expect(run(parameters)).rejects.toThrow(message)
})

describe('failures', () => {
  it.each<[Partial<ScriptOutcome>, object, string]>([
    [
      { exitCode: 3, stderr: 'Error: bad\n    at x\n' },
      {},
      'activity_failed: The script ended with exit code 3: Error: bad',
    ],
    [{ exitCode: 1, stderr: '' }, {}, 'activity_failed: The script ended with exit code 1'],
    [{ end: 'timed_out', exitCode: null }, {}, 'timed_out: The script timed out after 60 s'],
    [{ end: 'out_of_memory', exitCode: 137 }, {}, 'too_large: The script needs more than 1 MiB of memory'],
    [{ end: 'disk_full', exitCode: 1 }, {}, 'too_large: The script wrote more than 1 MiB'],
    [{ end: 'output_limit', exitCode: 1 }, {}, 'too_large: The script printed more than 1 KiB'],
    [{ end: 'process_limit', exitCode: 1 }, {}, 'too_large: The script reached its limit of 16 processes'],
    [{ end: 'lost', exitCode: null }, {}, 'activity_failed: The sandbox of the script ended'],
    [
      { result: { problem: 'it is empty' } },
      {},
      'activity_failed: The result in $JETTY_OUTPUT cannot be used: it is empty',
    ],
    [{}, { output_schema: { type: 'array' } }, 'activity_failed: The result does not fit output_schema'],
  ])('%j', async (ended, parameters, message) => {
    const { result } = await run({ code: '1', ...parameters }, ended)
    if (!(result instanceof FailedWith)) throw new Error('it did not fail')
    expect(`${result.error.code}: ${result.error.message}`).toContain(message)
    expect(result.outputs).toMatchObject({ result: null, files: [] })
  })
})
