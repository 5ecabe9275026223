/**
 * What a sandbox with its gateway adds to an agent: whole runbooks, from the request to the results, against the same
 * command bare, in turns, with the same model. Then ten at once, and memory. `--quick` is a third of the rounds.
 */
import { agentsFolder } from '../test/agents/agents-folder.ts'
import { startModel } from '../test/agents/five-steps.ts'
import { median, percentile } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'
import type { Contained, Subject } from './sandbox/runbooks-process.ts'

const atOnce = 10
const result = 'done.txt'
const write = `mkdir -p results && echo done > results/${result}`
const runbook = `---\nversion: "1.0.0"\nevaluation: programmatic\nprimary_outputs: [${result}]\n---\n# Bench\n\n\`\`\`sh\n${write}\n\`\`\`\n`

const subjects: Record<string, Subject & { rounds: number }> = {
  'scripted: one block of sh': {
    agent: 'scripted',
    model: 'scripted',
    provider: 'scripted',
    runbook,
    result,
    rounds: 30,
  },
  'codex: one tool, two calls': { agent: 'codex', model: 'gpt-5.5', provider: 'openai', runbook, result, rounds: 15 },
  'claude-code: one tool, two calls': {
    agent: 'claude-code',
    model: 'claude-sonnet-4-6',
    provider: 'anthropic',
    runbook,
    result,
    rounds: 15,
  },
}

await stage(
  'sandbox',
  async ({ report, child }) => {
    const model = await startModel([write], 'done')
    try {
      const worker = await child('../sandbox/runbooks-process.ts', {
        BENCH_MODEL_URL: model.url,
        JETTY_AGENTS_DIR: agentsFolder(),
      })
      const rows: (string | number)[][] = []
      for (const [name, subject] of Object.entries(subjects)) {
        const rounds = isQuick ? Math.ceil(subject.rounds / 3) : subject.rounds
        const bare: number[] = []
        const contained: Contained[] = []
        for (let round = -2; round < rounds; round++) {
          const alone = await worker.ask<number>('bare', subject)
          const within = await worker.ask<Contained>('contained', subject)
          if (round < 0) continue // warms up
          bare.push(alone)
          contained.push(within)
        }
        const of = (pick: (one: Contained) => number) => median(contained.map(pick))
        const [alone, within] = [median(bare), of(({ ms }) => ms)]
        const worst = percentile(
          contained.map(({ ms }) => ms),
          0.95,
        )
        rows.push([
          name,
          alone,
          within,
          within - alone,
          within / alone,
          Math.min(...contained.map(({ ms }) => ms)) - Math.min(...bare),
          worst - percentile(bare, 0.95),
          of((one) => one.before),
          of((one) => one.after),
        ])
        const added = contained.map(({ ms }, at) => ms - (bare[at] ?? Number.NaN))
        const toBare = contained.map(({ ms }, at) => ms / (bare[at] ?? Number.NaN))
        report.aim(`added p50, ${subject.agent}`, added, 'at most', 80, ' ms')
        report.figure(`p50 to the same command bare, ${subject.agent}`, toBare, ' ×')
      }
      report.table('a runbook from its request to its results, ms', [
        [
          '',
          'bare p50',
          'in a sandbox',
          'added p50',
          'to bare',
          'added, fastest',
          'added p95',
          'before its agent',
          'after it',
        ],
        ...rows,
      ])

      const together: (string | number)[][] = []
      for (const [name, subject] of Object.entries(subjects)) {
        const ask = (isBare: boolean) =>
          worker.ask<{ ms: number; serverMb: number; holdingMb: number }>('together', {
            subject,
            count: atOnce,
            isBare,
          })
        const alone = await ask(true)
        const within = await ask(false)
        const line = [alone.ms, within.ms, (within.ms - alone.ms) / atOnce, within.ms / alone.ms]
        together.push([name, ...line, within.serverMb, within.holdingMb])
      }
      report.table(`${atOnce} at once, all of which succeeded`, [
        ['', 'bare ms', 'in sandboxes', 'added each', 'to bare', 'MB of the server each', 'MB of bwrap and bridge'],
        ...together,
      ])
      report.note(`A gateway that waits: ${(await worker.ask<number>('gateways', 100)).toFixed(0)} KB of memory`)
      await worker.ask('close')
    } finally {
      await model.stop()
    }
  },
  { longestSeconds: 480, needed: ['bwrap'] },
)
