import { describe, expect, it } from 'vitest'
import { type RunbookFailure, runbookFailures, type Verification } from '../../../model/runbooks/runbook-run.ts'
import { failureOf, isMendable, type RunFacts, verificationFailure } from './success.ts'

const mega = 1024 ** 2
const good: RunFacts = {
  exit: { reason: 'exit', code: 0, signal: null, durationMs: 1, peakMemoryBytes: null, refusedProcesses: 0 },
  isStalled: false,
  agent: { isDone: true, error: undefined, denied: 0, text: 'All is done.' },
  stderr: '',
  usage: { answered: 1, lastFailure: undefined, exceeded: undefined },
  declared: { primary: [], manifest: [], unclear: [] },
  files: [{ path: 'report.md', size: 5 }],
  notKept: [],
  report: undefined,
  limits: { memoryBytes: 200 * mega, pids: 64, cpus: 1, diskBytes: mega, diskFiles: 10, outputBytes: mega },
  timeoutSeconds: 60,
  idleSeconds: 30,
}

const exit = (part: object): Partial<RunFacts> => ({ exit: { ...good.exit, ...part } }) as Partial<RunFacts>
const agent = (part: object): Partial<RunFacts> => ({ agent: { ...good.agent, ...part } })
const usage = (part: object): Partial<RunFacts> => ({ usage: { ...good.usage, ...part } })
const declaring = (path: string, by: 'primary_outputs' | 'manifest' = 'manifest'): Partial<RunFacts> => ({
  declared: {
    primary: by === 'manifest' ? [] : [{ paths: [path], written: path, by }],
    manifest: by === 'manifest' ? [{ paths: [path], written: path, by }] : [],
    unclear: [],
  },
})
const refused = (status: number) => usage({ answered: 0, lastFailure: { status, code: 'upstream', message: 'no' } })

/** What the world says, worst first: each of them alone ends as its reason, and before all that follow. */
const reasons: [RunbookFailure, Partial<RunFacts>, says: RegExp][] = [
  ['cancelled', exit({ reason: 'cancelled', code: null }), /was cancelled while/],
  ['not_started', exit({ reason: 'lost', code: null }), /lost/],
  ['timed_out', exit({ reason: 'timed_out', code: null }), /timed out after 60 s/],
  ['stalled', { ...exit({ reason: 'cancelled', code: null }), isStalled: true }, /30 s/],
  ['out_of_memory', exit({ reason: 'out_of_memory', code: null }), /200 MiB/],
  ['disk_full', exit({ reason: 'disk_full', code: null }), /1 MiB or 10 files/],
  ['output_limit', exit({ reason: 'output_limit', code: null }), /1 MiB/],
  ['process_limit', exit({ code: 1, refusedProcesses: 7 }), /limit of 64 processes 7 times/],
  ['budget_exceeded', { ...usage({ exceeded: 'tokens' }), ...agent({ isDone: false }) }, /limit of tokens is used up/],
  ['model_failed', refused(404), /404/],
  ['no_model_call', usage({ answered: 0 }), /without a successful model call/],
  ['agent_failed', exit({ code: 3 }), /exit code 3/],
  ['agent_failed', agent({ error: 'it broke' }), /it broke/],
  ['agent_failed', exit({ code: null, signal: 'SIGSEGV' }), /SIGSEGV/],
  ['agent_unfinished', agent({ isDone: false }), /without reporting completion/],
  ['permission_denied', agent({ denied: 2 }), /denied/],
  ['missing_files', declaring('other.md'), /other\.md/],
  ['missing_files', declaring('other.md', 'primary_outputs'), /other\.md/],
  ['empty_files', { ...declaring('report.md'), files: [{ path: 'report.md', size: 0 }] }, /report\.md/],
  ['no_results', { files: [] }, /no file/],
  ['no_results', { files: [{ path: 'report.md', size: 0 }] }, /no file/],
  ['report_invalid', { ...declaring('validation_report.json'), report: undefined }, /missing/],
  ['report_invalid', { report: { problem: 'it is empty' } }, /it is empty/],
  ['report_failed', { report: { value: { overall_passed: false } } }, /overall_passed: false/],
]
/** Decided elsewhere: by the check. */
const ofChecks: RunbookFailure[] = ['verify_failed', 'verify_unavailable']

it('is there where nothing says otherwise', () => {
  expect(failureOf(good)).toBeUndefined()
  const report = { value: { overall_passed: true, stages: [{ passed: false }] } }
  expect(failureOf({ ...good, ...declaring('*.md'), report })).toBeUndefined()
  expect(failureOf({ ...good, ...declaring('report.md'), report: { value: {} } })).toBeUndefined()
})

describe('a reason', () => {
  it('stands for each that there is', () => {
    const tried = new Set([...reasons.map(([reason]) => reason), ...ofChecks])
    expect([...tried].sort()).toEqual(Object.keys(runbookFailures).sort())
  })

  it.each(reasons)('%s (%#)', (reason, facts, says) => {
    const failure = failureOf({ ...good, ...facts })
    expect(failure?.reason).toBe(reason)
    expect(failure?.message).toMatch(says)
  })

  it('is that which comes first in the table, where two hold', () => {
    const order = Object.keys(runbookFailures)
    for (const [first, facts] of reasons) {
      for (const [second, others] of reasons) {
        // Both hold only where they are seen by different facts; what is empty depends on what is declared.
        const seenBy = (one: object) => Object.keys(one).map((key) => (key === 'files' ? 'declared' : key))
        if (seenBy(facts).some((key) => seenBy(others).includes(key))) continue
        const found = failureOf({ ...good, ...others, ...facts })?.reason ?? ''
        const earlier = order.indexOf(first) <= order.indexOf(second) ? first : second
        expect([first, second, found]).toEqual([first, second, earlier])
      }
    }
  })

  it('can be mended by the agent only where it has worked to its end', () => {
    const mendable = Object.keys(runbookFailures).filter((reason) =>
      isMendable({ reason: reason as RunbookFailure, message: '' }),
    )
    expect(mendable).toEqual([
      'missing_files',
      'empty_files',
      'no_results',
      'report_invalid',
      'report_failed',
      'verify_failed',
    ])
  })
})

describe('what an agent says of itself', () => {
  it.each([[false], ['false'], ['No'], ['failed']])('overall_passed: %j is believed', (value) => {
    const report = { value: { overall_passed: value, stages: [{ name: 'tone', passed: false, message: 'harsh' }] } }
    expect(failureOf({ ...good, report })).toMatchObject({
      reason: 'report_failed',
      message: expect.stringContaining('tone (harsh)'),
    })
  })

  it.each([[true], ['true'], [null], [undefined], [1]])('overall_passed: %j decides nothing', (value) => {
    expect(failureOf({ ...good, report: { value: { overall_passed: value } } })).toBeUndefined()
  })

  it('a declared file that was not kept is missing, and why is said', () => {
    const notKept = [{ path: 'other.md', message: 'other.md is a symbolic link' }]
    expect(failureOf({ ...good, ...declaring('other.md'), notKept })?.message).toContain('a symbolic link')
  })

  it('one answer of a model is enough, where the agent is done', () => {
    const lastFailure = { status: 500, code: 'upstream', message: 'no' }
    expect(failureOf({ ...good, ...usage({ lastFailure }) })).toBeUndefined()
    expect(failureOf({ ...good, ...usage({ lastFailure }), ...exit({ code: 1 }) })?.reason).toBe('model_failed')
  })

  it('a model at an address that is not called is a setting away', () => {
    const lastFailure = { status: null, code: 'address_refused', message: "'127.0.0.1' is at a private address" }
    expect(failureOf({ ...good, ...usage({ answered: 0, lastFailure }) })).toMatchObject({
      reason: 'model_failed',
      hint: expect.stringContaining('JETTY_ALLOW_PRIVATE_NETWORK'),
    })
  })

  it.each([
    [401, /key/],
    [403, /key/],
    [404, /model name/],
    [429, /limits/],
  ])('a model that answers %i is told what to do about', (status, says) => {
    expect(failureOf({ ...good, ...refused(status) })?.hint).toMatch(says)
  })
})

it('a check that did not pass says how, after how many rounds, and what it said', () => {
  const command: Verification = {
    passed: false,
    kind: 'command',
    output: 'two are missing',
    exit_code: 1,
    score: null,
    repair_rounds: 2,
  }
  expect(verificationFailure(command).message).toBe(
    'The independent check did not pass after 2 repair rounds (exit code 1): two are missing',
  )
  expect(verificationFailure({ ...command, exit_code: null, repair_rounds: 1 }).message).toContain(
    'after 1 repair round (it did not end)',
  )
  const judge = {
    ...command,
    kind: 'judge',
    score: 2,
    exit_code: null,
    repair_rounds: 0,
    output: '2 of 5: dull',
  } as const
  expect(verificationFailure(judge).message).toBe('The independent check did not pass (the judge gave 2): 2 of 5: dull')
})
