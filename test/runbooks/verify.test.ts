import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelAnswer } from '../../src/model/gateway/chat.ts'
import { openRunner } from './runner.ts'

let opened: Awaited<ReturnType<typeof openRunner>>
/** One that has little of everything. */
let small: Awaited<ReturnType<typeof openRunner>>
beforeAll(async () => {
  opened = await openRunner()
  small = await openRunner({
    JETTY_SANDBOX_OUTPUT_BYTES: '1MiB',
    JETTY_SANDBOX_DISK_BYTES: '32MiB',
    JETTY_SANDBOX_PIDS: '64',
    JETTY_RUNBOOK_CALLS: '3',
  })
})
afterAll(async () => {
  await opened.close()
  await small.close()
})

const runbook = (verify: string, script: string) => `---\nverify: ${verify}\n---\n\`\`\`sh\n${script}\n\`\`\`\n`
/** Counts how often the agent has worked in this sandbox. */
const counting = 'echo x >> /app/rounds; wc -l < /app/rounds > /app/results/count'

describe('a command', () => {
  it('decides over what the agent says of itself', async () => {
    const script = 'echo 1 > results/n; echo \'{"overall_passed": true}\' > results/validation_report.json'
    const { outcome } = await opened.carryOut(runbook('"echo not three >&2; grep -q 3 n"', script))
    expect(outcome.failure).toMatchObject({ reason: 'verify_failed', message: expect.stringContaining('not three') })
    expect(outcome.validation_report).toEqual({ overall_passed: true })
    expect(outcome.verification).toMatchObject({ passed: false, kind: 'command', exit_code: 1, repair_rounds: 0 })
  })

  it('passes after one repair, which is told what did not pass', async () => {
    const text = runbook('{command: "echo rounds $(cat count); grep -qx 2 count", repair_rounds: 3}', counting)
    const { outcome, events, kept } = await opened.carryOut(text)
    expect(outcome.failure).toBeNull()
    expect(outcome.verification).toMatchObject({ passed: true, output: 'rounds 2\n', repair_rounds: 1 })
    expect(kept.get('count')?.toString()).toBe('2\n')
    const phases = events.flatMap((event) => (event.type === 'phase' ? [event.phase] : []))
    const changes = phases.filter((phase, at) => phase !== phases[at - 1])
    expect(changes).toEqual(['preparing', 'working', 'verifying', 'repairing', 'verifying', 'collecting', 'finished'])
  })

  it('that never passes fails after all rounds, and says how many', async () => {
    const { outcome, kept } = await opened.carryOut(runbook('{command: "false", repair_rounds: 2}', counting))
    expect(outcome.failure).toMatchObject({
      reason: 'verify_failed',
      message: expect.stringContaining('after 2 repair rounds'),
    })
    expect(outcome.verification).toMatchObject({ passed: false, exit_code: 1, repair_rounds: 2 })
    expect(kept.get('count')?.toString()).toBe('3\n')
  })

  it('finds nothing of the agent but its results, as regular files, and no network', async () => {
    const script = `ln -s /etc/passwd results/link; mkdir results/sub; echo x > results/sub/x; echo y > /app/outside
(setsid sleep 1000.9 &); echo 'exit 0' > /home/agent/.profile`
    const check =
      'ls -R . ; ls /app; ls -A ~; test ! -e link && ! ls /run/jetty/gateway.sock 2>&1 && ! pgrep -f 1000.9; cat sub/x'
    const { outcome } = await opened.carryOut(runbook(JSON.stringify(check), script))
    expect(outcome.failure).toBeNull()
    expect(outcome.verification?.output).not.toMatch(/outside|link|profile|RUNBOOK/)
    expect(outcome.verification?.output).toMatch(/x\n$/)
  })

  it('that hangs does not pass, and ends in time', async () => {
    const { outcome } = await opened.carryOut(runbook('{command: "sleep 1000.8", timeout_sec: 1}', counting))
    expect(outcome.failure?.reason).toBe('verify_failed')
    expect(outcome.verification).toMatchObject({
      passed: false,
      exit_code: null,
      output: expect.stringContaining('after 1 s'),
    })
    expect(await readdir(`${opened.dataDir}/sandboxes`)).toEqual([])
  })

  it('that changes the results changes nothing of what is kept', async () => {
    const { outcome, kept } = await opened.carryOut(
      runbook('"rm count; echo forged > report.md; test ! -e count"', `${counting}; echo true > results/report.md`),
    )
    expect(outcome.failure).toBeNull()
    expect(kept.get('report.md')?.toString()).toBe('true\n')
    expect(kept.get('count')?.toString()).toBe('1\n')
  })

  it('runs what was made as a program', async () => {
    const script = 'printf "#!/bin/sh\\necho it runs\\n" > results/tool; chmod 755 results/tool; echo x > results/text'
    const { outcome } = await opened.carryOut(runbook('"./tool; test -x tool && test ! -x text"', script))
    expect(outcome.failure).toBeNull()
    expect(outcome.verification?.output).toBe('it runs\n')
  })

  it.each([
    ['forks without an end', 'bomb() { sleep 600 | bomb | bomb & }; bomb; sleep 1; exit 1', /./],
    ['prints without an end', 'yes', /exceeded its/],
    ['fills the disk', 'head -c 500000000 /dev/zero > large; sleep 9', /exceeded its/],
    ['fills the memory', 'python3 -c "bytearray(400 * 1024 * 1024)"', /exceeded its memory/],
  ])('that %s has not passed, and nothing of it is left', async (_, command, says) => {
    const check = JSON.stringify({ command, timeout_sec: 20 })
    const { outcome } = await small.carryOut(runbook(check, counting), { memory: '200M' })
    expect(outcome.failure?.reason).toBe('verify_failed')
    expect(outcome.verification).toMatchObject({ passed: false, output: expect.stringMatching(says) })
    expect(await readdir(`${small.dataDir}/sandboxes`)).toEqual([])
  })

  it('prints no secret, not even one that a long line is cut in', async () => {
    const secret = 'sk-unmistakable-verify-secret'
    const script = `head -c 8180 /dev/zero | tr '\\0' x > results/x; printf %s "$SEEDS" >> results/x; echo >> results/x`
    const text = `---\nsecrets: {seeds: {env: SEEDS}}\nverify: {command: "cat x; false", repair_rounds: 1}\n---\n\`\`\`sh\n${script}\n\`\`\`\n`
    const { outcome, events } = await opened.carryOut(text, {}, { env: { SEEDS: secret } })
    expect(outcome.failure?.reason).toBe('verify_failed')
    expect(outcome.verification?.output).toMatch(/xxx\*\*\*\n$/)
    expect(JSON.stringify([outcome, events])).not.toContain('sk-unmi')
  })

  it('repairs count in the time of the runbook', async () => {
    const text = runbook('{command: "false", repair_rounds: 20}', `${counting}; sleep 0.8`)
    const { outcome } = await opened.carryOut(text, { timeout_sec: 3 })
    expect(['verify_failed', 'timed_out']).toContain(outcome.failure?.reason)
    expect(outcome.usage.duration_seconds).toBeLessThan(15) // twenty repairs take more
    expect(outcome.usage.api_calls).toBeLessThan(5)
  })

  it('repairs count in its budget', async () => {
    const { outcome } = await small.carryOut(runbook('{command: "false", repair_rounds: 20}', counting))
    expect(outcome.failure?.reason).toBe('budget_exceeded')
    expect(outcome.usage.api_calls).toBe(3)
  })

  it('the round in which the agent fails is the one that counts', async () => {
    const script = 'test ! -e /app/again || exit 9; touch /app/again; echo x > results/x'
    const { outcome } = await opened.carryOut(runbook('{command: "false", repair_rounds: 2}', script))
    expect(outcome.failure).toMatchObject({ reason: 'agent_failed', message: expect.stringContaining('9') })
    expect(outcome.verification).toBeNull()
  })

  it('that is cancelled has decided nothing', async () => {
    const stop = new AbortController()
    const { outcome, kept } = await opened.carryOut(
      runbook('{command: "sleep 1000.7", timeout_sec: 60}', counting),
      {},
      {
        signal: stop.signal,
        onEvent: (event) =>
          event.type === 'phase' && event.phase === 'verifying' && setTimeout(() => stop.abort(), 300),
      },
    )
    expect(outcome.failure?.reason).toBe('cancelled')
    expect(outcome.verification).toBeNull()
    expect(kept.get('count')?.toString()).toBe('1\n')
    expect(await readdir(`${opened.dataDir}/sandboxes`)).toEqual([])
  })

  it('is decided by no value of a variable', async () => {
    for (const word of ["o'x; exit 0 #", '" && exit 0; "', '$(kill 1)', 'x\0y']) {
      const text = runbook(`"test '{{word}}' = nothing && test \\"{{word}}\\" = nothing"`, counting)
      const { outcome } = await opened.carryOut(text, { template_variables: { word } })
      expect(outcome.failure?.reason).toBe('verify_failed')
    }
  })

  it('has variables put in, and keeps only the end of what it prints', async () => {
    const text = runbook('"yes {{word}} | head -n 100000; test {{word}} = last"', counting)
    const { outcome } = await opened.carryOut(text, { template_variables: { word: 'last' } })
    expect(outcome.failure).toBeNull()
    expect(outcome.verification?.output.length).toBeLessThanOrEqual(16 * 1024)
  })
})

const answer = (text: string): ModelAnswer => ({
  completion: { choices: [{ message: { content: text } }] },
  text,
  provider: 'fake',
  model: 'fake',
  usage: null,
  cost_usd: null,
})

describe('a judge', () => {
  const judged = (rounds: number) =>
    runbook(
      `{judge: {rubric: "Is it {{word}}?", threshold: 4, model: scripted/echo}, repair_rounds: ${rounds}}`,
      counting,
    )

  it('passes by its score, and is shown the results and the rubric', async () => {
    const asked: string[] = []
    const chat = async (request: { messages: unknown }) => {
      asked.push(JSON.stringify(request.messages))
      return answer('{"explanation": "good", "score": 4}')
    }
    const { outcome } = await opened.carryOut(judged(0), { template_variables: { word: 'short' } }, { chat })
    expect(outcome.failure).toBeNull()
    expect(outcome.verification).toMatchObject({ passed: true, kind: 'judge', score: 4, exit_code: null })
    expect(asked[0]).toContain('Is it short?')
    expect(asked[0]).toContain('=== count ===')
  })

  it('lets the agent repair', async () => {
    const scores = [2, 5]
    const chat = async () => answer(`{"explanation": "so so", "score": ${scores.shift()}}`)
    const { outcome } = await opened.carryOut(judged(1), { template_variables: { word: 'short' } }, { chat })
    expect(outcome.failure).toBeNull()
    expect(outcome.verification).toMatchObject({ passed: true, score: 5, repair_rounds: 1 })
  })

  it('that gives no verdict has verified nothing', async () => {
    const chat = async () => answer('I would rather not')
    const { outcome } = await opened.carryOut(judged(1), { template_variables: { word: 'short' } }, { chat })
    expect(outcome.failure?.reason).toBe('verify_unavailable')
    expect(outcome.verification).toBeNull()
  })
})

it('what is missing is repaired too, where the runbook allows repairs', async () => {
  const text = `---
primary_outputs: late.md
verify: {command: "true", repair_rounds: 1}
---
\`\`\`sh
if [ -e /app/again ]; then echo x > results/late.md; fi; touch /app/again; echo y > results/early.md
\`\`\`
`
  const { outcome } = await opened.carryOut(text)
  expect(outcome.failure).toBeNull()
  expect(outcome.verification).toMatchObject({ passed: true, repair_rounds: 1 })
})
