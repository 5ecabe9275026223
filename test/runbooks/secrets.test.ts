import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NewAgentEvent } from '../../src/model/runbooks/runbook-run.ts'
import { openRunner } from './runner.ts'

let opened: Awaited<ReturnType<typeof openRunner>>
beforeAll(async () => {
  opened = await openRunner()
})
afterAll(() => opened?.close())

const token = 'sk-results/Hq2"9031'
const key = '-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n'
const env = { SEEDS: token, SIGNING: key, REGION: 'eu-w1' }
const runbook = (script: string, more = '') =>
  `---\nsecrets: [{env: SEEDS}, {env: SIGNING}]\n${more}---\n\`\`\`sh\n${script}\n\`\`\`\n`
const writing = (...lines: string[]) => runbook(['cd /app/results', ...lines].join('\n'))

const warningsOf = (events: readonly NewAgentEvent[]) =>
  events.flatMap((event) => (event.type === 'warning' && /kept|struck/.test(event.message) ? [event.message] : []))

it('keeps results without the secrets that were written into them, however, and says where', async () => {
  const { outcome, kept, events } = await opened.carryOut(
    writing(
      'printf "%s\\n" "the token is $SEEDS, in $PWD" > notes.md',
      'printf "%s" "$SIGNING" > key.pem',
      'printf "%s" "user:$SEEDS" | base64 -w 0 > basic',
      `node -e 'require("fs").writeFileSync("all.json", JSON.stringify({ ...process.env, HTML: process.env.SEEDS.replace(/"/g, "&quot;") }))'`,
      // Read in pieces of 256 KiB: it stands across the first border.
      'head -c 262134 /dev/zero | tr "\\0" x > long.txt; printf "%s" "$SEEDS!" >> long.txt',
      'printf "\\000%s\\000" "$SEEDS" > table.bin',
      'printf "%s\\n" "$SIGNING"', // into the log, which is struck line by line while it grows
    ),
    {},
    { env },
  )
  expect(outcome.failure).toBeNull()
  const text = (path: string) => kept.get(path)?.toString()
  expect(text('notes.md')).toBe('the token is ***, in /app/results\n')
  expect(text('key.pem')).toBe('***')
  expect(Buffer.from(text('basic') ?? '', 'base64').toString()).not.toContain('sk-results')
  expect(JSON.parse(text('all.json') ?? '')).toMatchObject({ SEEDS: '***', SIGNING: '***', HTML: '***' })
  expect(text('long.txt')).toBe(`${'x'.repeat(262_134)}***!`)
  expect(text('table.bin')).toBe(`\0${'*'.repeat(token.length)}\0`)
  for (const [, bytes] of kept) expect(bytes.toString('latin1')).not.toMatch(/sk-results|MIIEv/)
  expect(outcome.results_files.find(({ relative_path }) => relative_path === 'notes.md')?.size).toBe(34)
  expect(warningsOf(events).sort()).toEqual([
    'all.json is kept without the value of SEEDS, SIGNING',
    'basic is kept without the value of SEEDS',
    'key.pem is kept without the value of SIGNING',
    'long.txt is kept without the value of SEEDS',
    'notes.md is kept without the value of SEEDS',
    'table.bin is kept without the value of SEEDS; it is no text, and what reads it may find it damaged',
  ])
})

it('keeps files whose names hold a secret under others', async () => {
  const script = 'mkdir "$SIGNING"; for end in 1 2; do echo x > "$SIGNING/$SEEDS-$end"; echo x > "$end-$SEEDS"; done'
  const named = { ...env, SEEDS: 'seeds of mine', SIGNING: 'a folder' }
  const { outcome, kept, events } = await opened.carryOut(
    runbook(`cd results; ${script}; echo x > "$SEEDS$SEEDS"; echo x > '***'`, 'primary_outputs: 1-seeds of mine\n'),
    {},
    { env: named },
  )
  expect(outcome.failure).toBeNull()
  expect([...kept.keys()].sort()).toEqual([
    '***',
    '******',
    '***-1/***-1',
    '***-1/***-2',
    '1-***',
    '2-***',
    'agent_scripted.txt',
  ])
  expect(outcome.primary_files).toEqual(['acme/task/0000/1-***'])
  expect(JSON.stringify(events)).not.toMatch(/seeds of mine|a folder/)
})

it('says of so many files that it is named of fifty alone', async () => {
  const { outcome, events } = await opened.carryOut(
    writing('for n in $(seq 60); do echo "$SEEDS" > $n.txt; done'),
    {},
    { env },
  )
  expect(outcome.failure).toBeNull()
  const warnings = warningsOf(events)
  expect(warnings).toHaveLength(51)
  expect(warnings.at(-1)).toBe('Secrets are struck out of 10 more files')
})

it('keeps a file without secrets as it is, and of a report and of names what is no secret', async () => {
  const { outcome, kept, events } = await opened.carryOut(
    writing(
      'printf "\\377\\000eu-w1" > as-it-is',
      'echo "{\\"overall_passed\\": true, \\"by\\": [{\\"$SIGNING\\": \\"x\\"}]}" > validation_report.json',
    ),
    {},
    { env: { ...env, SIGNING: 'of the signer' } },
  )
  expect(outcome.validation_report).toEqual({ overall_passed: true, by: [{ '***': 'x' }] })
  expect(kept.get('as-it-is')).toEqual(Buffer.from([255, 0, ...Buffer.from('eu-w1')]))
  expect(warningsOf(events)).toEqual(['validation_report.json is kept without the value of SIGNING'])
})
