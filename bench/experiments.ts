/**
 * Backtests over random seeds: whether a planted regression and a planted improvement are named, and nothing where nothing
 * changed; how near the estimate is to the bill; what a backtest takes against running as many rows anew.
 */
import { pause } from '../src/lib/time.ts'
import { gradedWorkflow, gradingJudge, startGradedProvider } from '../test/integration/experiments/graded-provider.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'

const seeds = isQuick ? 3 : 20
const runs = isQuick ? 60 : 200
/** Runs on another path, on which nothing that is tried differs. */
const untouched = Math.round(runs * 0.2)
/** What each candidate is: a tone of the prompt, and the verdict that is right. Recorded runs answer `well`. */
const candidates = { badly: 'worse', brilliantly: 'better', nicely: 'no_difference' } as const
const atOnce = 64
/** The estimate may be off by this share of the bill. */
const near = 0.15

const job = async (look: () => Promise<{ ended: string | null }>): Promise<void> => {
  while ((await look()).ended === null) await pause(100)
}

await stage(
  'experiments',
  async ({ report, jetty }) => {
    const provider = await startGradedProvider()
    const server = await jetty({ environment: { OPENAI_BASE_URL: provider.url } })
    const call = async <Answer>(method: string, path: string, body?: unknown): Promise<Answer> =>
      JSON.parse((await server.call(method, path, body)).text)
    await call('PATCH', '/api/v1/collections/demo/environment', {
      environment_variables: { OPENAI_API_KEY: 'sk-bench' },
    })
    const right: Record<string, number> = {}
    const errors: number[] = []
    const ratios: number[] = []
    let wasted = 0
    for (let seed = 1; seed <= seeds; seed++) {
      provider.reseed(seed * 7_919)
      const task = `answers-${seed}`
      await call('POST', '/api/v1/tasks/demo', { name: task, workflow: gradedWorkflow('well') })
      const items = Array.from({ length: runs }, (_, at) => ({ question: `Question ${at}?`, asks: at >= untouched }))
      const began = performance.now()
      const batch: { batch_id: string } = await call('POST', `/api/v1/run-batch/demo/${task}`, { items })
      await job(() => call('GET', `/api/v1/batches/demo/${batch.batch_id}`))
      const fresh = performance.now() - began

      const trial = async (tone: string, last: number) => {
        const body = {
          workflow: gradedWorkflow(tone),
          runs: { last },
          judges: [gradingJudge],
          max_concurrency: atOnce,
        }
        const before = { ...provider.bill }
        const { experiment_id: id, plan }: { experiment_id: string; plan: { cost_usd: { expected: number } | null } } =
          await call('POST', `/api/v1/experiments/demo/${task}`, body)
        await job(() => call('GET', `/api/v1/experiments/demo/${id}?limit=0`))
        const found: { judges: { verdict: string }[]; outcomes: Record<string, number> } = await call(
          'GET',
          `/api/v1/experiments/demo/${id}?limit=0`,
        )
        const paid = provider.bill.usd - before.usd
        return { plan, found, paid, asked: provider.bill.answers - before.answers }
      }
      await trial('nicely', 20) // from now on it is known what the judge costs
      for (const [tone, verdict] of Object.entries(candidates)) {
        const start = performance.now()
        const { plan, found, paid, asked } = await trial(tone, runs)
        ratios.push((performance.now() - start) / fresh)
        if (found.judges[0]?.verdict === verdict) right[verdict] = (right[verdict] ?? 0) + 1
        errors.push(plan.cost_usd === null ? 1 : Math.abs(plan.cost_usd.expected - paid) / paid)
        wasted += asked - (runs - untouched)
      }
    }
    await provider.close()
    report.table(`${seeds} seeds, ${runs} recorded runs, ${untouched} of them on another path`, [
      ['candidate', 'named right', 'of'],
      ...Object.values(candidates).map((verdict) => [verdict, right[verdict] ?? 0, seeds]),
    ])
    const share = (verdict: string) => (right[verdict] ?? 0) / seeds
    for (const verdict of Object.values(candidates)) report.aim(`named ${verdict}`, share(verdict), 'at least', 0.95)
    const estimated = errors.filter((error) => error <= near).length / errors.length
    report.aim(`estimates within ${near * 100} % of the bill`, estimated, 'at least', 0.9)
    report.figure('error of an estimate, as a share of the bill', errors)
    report.aim('calls beyond one for each changed run', wasted, 'at most', 0)
    report.figure('a backtest with a judge of both sides to running as many rows anew', ratios, ' ×')
  },
  { longestSeconds: 1_500 },
)
