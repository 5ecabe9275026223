import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { answerAndJudge, answering, askedFor, evaluated, judges, modelKey, questions } from './evaluating.ts'

let openai: FakeOpenAi
let jetty: TestServer
beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: modelKey },
  })
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'answer', workflow: answering('carefully') })
})
beforeEach(() => {
  openai.asked.length = 0
  answerAndJudge(openai)
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

const start = (body: object, task = 'answer') => jetty.call('POST', `/api/v1/evaluations/acme/${task}`, body)
const startWith = async (body: object, task?: string): Promise<string> => {
  const answer = await start(body, task)
  expect(answer).toMatchObject({ status: 200 })
  return answer.body.evaluation_id
}
const change = (tone: string) => jetty.call('PUT', '/api/v1/tasks/acme/answer', { workflow: answering(tone) })
/** What all calls together have cost, as it was written down by call. */
const spent = async (): Promise<number> => {
  const text = 'select sum(usd)::float8 as usd from run_spending'
  const [row] = await jetty.server.database.query<{ usd: number }>(text)
  return row?.usd ?? 0
}
const keysOf = (items: Body[]): string[] => items.map(({ key }: Body) => key)

describe('forty items and two judges', { timeout: 180_000 }, () => {
  let baseline: string
  it('are run and judged: a score of each judge for each item, means with intervals, and what it cost', async () => {
    const answer = await start({ items: questions, judges, name: 'the careful one', max_concurrency: 40 })
    expect(answer).toMatchObject({
      status: 200,
      body: { total: 40, task: 'answer', baseline: null, status: 'pending' },
    })
    baseline = answer.body.evaluation_id
    const done = await evaluated(jetty, baseline)
    expect(done).toMatchObject({
      status: 'completed',
      name: 'the careful one',
      total: 40,
      progress: 1,
      runs: { completed: 40 },
      judgements: { completed: 80 },
      comparison: null,
      thresholds: [],
      passed: null,
      items_total: 40,
      has_more: false,
    })
    expect(done.cost_usd).toBeCloseTo(await spent(), 9)
    expect(done.judges).toMatchObject([
      { name: 'clarity', n: 40, failed: 0, mean: 8, interval: { low: 8, high: 8, method: 't' } },
      { name: 'polite', n: 40, failed: 0, mean: 1, interval: { high: 1, method: 'wilson' }, counts: { yes: 40 } },
    ])
    expect(keysOf(done.items)).toEqual(questions.map(({ id }) => id))
    expect(done.items[3]).toMatchObject({
      key: 'q3',
      index: 3,
      status: 'completed',
      init_params: { id: 'q3', question: 'Question 3?' },
      verdicts: {
        clarity: { status: 'completed', score: 8, label: null, explanation: 'It reads like 8.' },
        polite: { score: 1, label: 'yes', explanation: 'By its tone.' },
      },
    })
    expect(openai.asked).toHaveLength(40 + 80)
  })

  it('become labels of the runs; the judge sees what was expected, and the run does not', async () => {
    const { items } = await evaluated(jetty, baseline)
    const run = await jetty.get('answer', items[5].trajectory_id)
    expect(run.labels.map(({ key, value, author }: Body) => [key, value, author]).sort()).toEqual([
      ['clarity', '8', 'judge/clarity'],
      ['polite', 'yes', 'judge/polite'],
    ])
    expect(run.init_params).not.toHaveProperty('expected')
    const list = await jetty.call('GET', '/api/v1/db/trajectories/acme/answer?label=polite:yes&limit=1')
    expect(list.body).toMatchObject({ total: 40 })
    const judgement = await jetty.get('_judgement', items[5].verdicts.clarity.trajectory_id)
    expect(judgement.steps.material.outputs.item).toBe(
      'Input:\n{"question":"Question 5?","id":"q5"}\n\nExpected:\nThe answer to 5\n\nOutput:\nA plain answer.',
    )
  })

  it('against a baseline, what got worse is named, and nothing else; the thresholds say which one is missed', async () => {
    await change('hastily')
    const id = await startWith({
      items: [...questions].reverse(),
      judges,
      baseline: 'latest',
      thresholds: { clarity: { min_mean: 7.5, max_worse: 1, max_failed: 1 }, polite: { min_mean: 0.9, max_failed: 1 } },
      max_concurrency: 40,
    })
    const done = await evaluated(jetty, id)
    await change('carefully')
    expect(done).toMatchObject({ status: 'completed', baseline, runs: { completed: 39, failed: 1 }, passed: false })
    expect(done.comparison).toMatchObject({
      evaluation_id: baseline,
      matched: 40,
      added: 0,
      removed: 0,
      newly_failed: 1,
      newly_fixed: 0,
      more_regressions: 0,
    })
    const regressions = done.comparison.regressions.map((one: Body) => [one.key, one.judge, one.before, one.now])
    expect(regressions.sort()).toEqual([
      ['q12', null, null, null],
      ['q19', 'clarity', 8, 3],
      ['q33', 'polite', 'yes', 'no'],
      ['q7', 'clarity', 8, 3],
    ])
    expect(done.judges).toMatchObject([
      { n: 39, failed: 1, comparison: { n: 39, better: 1, worse: 2, same: 36, judge_changed: false } },
      { n: 39, failed: 1, comparison: { n: 39, better: 0, worse: 1, same: 38 } },
    ])
    expect(done.judges[0].comparison.mean_difference).toBeCloseTo((-5 - 5 + 2) / 39, 6)
    expect(done.thresholds.map(({ judge, rule, passed }: Body) => [judge, rule, passed])).toEqual([
      ['clarity', 'min_mean', true],
      ['clarity', 'max_worse', false],
      ['clarity', 'max_failed', true],
      ['polite', 'min_mean', true],
      ['polite', 'max_failed', true],
    ])
    const only = async (items: string) => keysOf((await evaluated(jetty, id, `?items=${items}`)).items).sort()
    expect(await only('worse')).toEqual(['q19', 'q33', 'q7'])
    expect(await only('better')).toEqual(['q25'])
    expect(await only('failed')).toEqual(['q12'])
    const second = await evaluated(jetty, id, '?page=2&limit=15')
    expect(second).toMatchObject({ page: 2, limit: 15, has_more: true, items_total: 40 })
    expect(keysOf(second.items)[0]).toBe('q24')
    expect((await evaluated(jetty, id, '?limit=0')).items).toEqual([])
  })

  it('are listed, newest first, by task and page by page', async () => {
    const list = (query: string) => jetty.call('GET', `/api/v1/evaluations/acme${query}`)
    const first = (await list('?limit=1')).body
    expect(first.evaluations).toMatchObject([{ task: 'answer', judges: ['clarity', 'polite'], baseline }])
    const second = (await list(`?limit=1&cursor=${first.next_cursor}`)).body
    expect(second.evaluations).toMatchObject([{ evaluation_id: baseline, name: 'the careful one' }])
    expect(second.next_cursor).toBeNull()
    expect((await list('?task=other')).body).toEqual({ evaluations: [], next_cursor: null })
  })
})

it('one item, categories, a path to what is judged, and items from a file of the collection', async () => {
  const form = new FormData()
  form.append('collection', 'acme')
  form.append('file', new Blob(['id,question,expected\nq1,Question 1?,yes\nq2,Question 2?,no\n']), 'items.csv')
  const { path } = (await jetty.call('POST', '/api/v1/files/upload', form)).body
  openai.say((body) => {
    const { judge, question } = askedFor(body)
    if (judge === undefined) return 'An answer.'
    return `{"label": "${question === '1' ? 'good' : 'poor'}"}`
  })
  const graded = { name: 'grade', instruction: 'Grade it.', model: 'gpt-4o', categories: ['good', 'fair', 'poor'] }
  const asked = { file_path: path, judges: [{ ...graded, pass: ['good', 'fair'] }], output_path: 'answer.outputs.text' }
  const done = await evaluated(jetty, await startWith(asked))
  expect(done).toMatchObject({ status: 'completed', total: 2, output_path: 'answer.outputs.text' })
  expect(done.judges).toMatchObject([{ n: 2, mean: 0.5, counts: { good: 1, poor: 1 }, interval: { method: 'wilson' } }])
})

it('a judge that cannot be read fails for its item alone, and counts as no zero', async () => {
  openai.say((body) => {
    const { judge, question } = askedFor(body)
    if (judge === undefined) return 'An answer.'
    return question === '1' ? 'I would rather not say.' : '{"score": 6}'
  })
  const one = { ...judges[0] }
  const done = await evaluated(
    jetty,
    await startWith({ items: questions.slice(0, 3), judges: [one], thresholds: { clarity: { min_mean: 5 } } }),
  )
  expect(done).toMatchObject({ status: 'completed', judgements: { completed: 2, failed: 1 }, passed: false })
  expect(done.judges).toMatchObject([{ n: 2, failed: 1, mean: 6 }])
  expect(done.items[1].verdicts.clarity).toMatchObject({ status: 'failed', score: null })
  expect(done.items[1].verdicts.clarity.error).toContain('has no verdict')
  expect(done.thresholds).toMatchObject([
    { rule: 'min_mean', passed: true },
    { rule: 'max_failed', passed: false, value: 1 },
  ])
})

it('does so many at once, and can be cancelled: what is under way ends, nothing more is begun', async () => {
  openai.choose(() => ({ delayMs: 60_000 }))
  const id = await startWith({ items: questions, judges, max_concurrency: 4 })
  const pause = () => new Promise((resolve) => setTimeout(resolve, 300))
  while (openai.asked.length < 4) await pause()
  await pause() // a fifth one would be there by now
  expect(openai.asked).toHaveLength(4)
  expect((await jetty.call('POST', `/api/v1/evaluations/acme/${id}/cancel`)).body).toEqual({
    evaluation_id: id,
    status: 'cancelled',
  })
  const done = await evaluated(jetty, id)
  expect(done).toMatchObject({ status: 'cancelled', runs: { cancelled: 40 }, judgements: {}, passed: null })
  await pause()
  expect(openai.asked).toHaveLength(4)
})

it('judges look at a run side by side, and together so many at once as runs before', async () => {
  openai.choose((body) => (askedFor(body).judge === undefined ? undefined : { delayMs: 60_000 }))
  const id = await startWith({ items: questions.slice(0, 3), judges, max_concurrency: 4 })
  const judging = () => openai.asked.map(({ body }) => askedFor(body).judge).filter((judge) => judge !== undefined)
  const pause = () => new Promise((resolve) => setTimeout(resolve, 300))
  while (judging().length < 4) await pause()
  await pause() // a fifth one would be there by now
  expect(judging().sort().join(' ')).toMatch(/^(clarity ){1,3}(polite ?){1,3}$/)
  expect(judging()).toHaveLength(4)
  await jetty.call('POST', `/api/v1/evaluations/acme/${id}/cancel`)
  expect(await evaluated(jetty, id)).toMatchObject({ status: 'cancelled', runs: { completed: 3 } })
})

describe('is refused before anything was paid for', () => {
  const refused = async (body: object, task?: string) => {
    const answer = await start(body, task)
    return [answer.status, JSON.stringify(answer.body.detail)] as const
  }
  const items = [{ question: 'Why?' }]
  const [clarity] = judges

  it.each([
    ['no judge', { items, judges: [] }, 'judges'],
    ['two of one name', { items, judges: [clarity, clarity] }, "Another judge is called 'clarity'"],
    ['a name that is none', { items, judges: [{ ...clarity, name: 'a__b' }] }, 'single hyphens'],
    ['neither scale nor categories', { items, judges: [{ ...clarity, scale: undefined }] }, 'Give one of scale'],
    ['a scale upside down', { items, judges: [{ ...clarity, scale: [5, 1] }] }, 'lowest score first'],
    ['no items', { judges }, 'Give items, file_path or dataset'],
    ['an id twice', { items: [{ id: 'a' }, { id: 'a' }], judges }, "have the same id 'a'"],
    ['a threshold of nobody', { items, judges, thresholds: { none: {} } }, "There is no judge 'none'"],
    ['worse than what', { items, judges, thresholds: { polite: { max_worse: 0 } } }, 'Name the baseline'],
    ['a rule that is none', { items, judges, thresholds: { polite: { max_better: 0 } } }, 'max_better'],
    ['a baseline that is none', { items, judges, baseline: 'ffffffff' }, "no evaluation 'ffffffff'"],
    ['a path to nowhere', { items, judges, output_path: 'nowhere.outputs' }, "not a path into a run of 'answer'"],
    [
      'a mean of categories',
      {
        items,
        judges: [{ name: 'k', instruction: 'i', model: 'gpt-4o', categories: ['a', 'b'] }],
        thresholds: { k: { min_mean: 1 } },
      },
      "Say with 'pass'",
    ],
    [
      'a model that no key serves',
      { items, judges: [{ ...clarity, model: 'claude-sonnet-5' }], preflight: 'refuse' },
      "Judge 'clarity': ",
    ],
  ])('%s', async (_, body, detail) => {
    const [status, text] = await refused(body)
    expect([status, text]).toEqual([422, expect.stringContaining(detail)])
    expect(openai.asked).toEqual([])
  })

  it('a task that is not there, or cannot run', async () => {
    expect(await refused({ items, judges }, 'nowhere')).toEqual([404, expect.stringContaining("Task 'nowhere'")])
    await jetty.call('POST', '/api/v1/tasks/acme', { name: 'broken', workflow: { steps: ['a'] } })
    expect(await refused({ items, judges }, 'broken')).toEqual([422, expect.stringContaining('cannot run')])
  })
})

it('judges by its own workflow, whatever somebody has made of the task', async () => {
  const workflow = { step_configs: { a: { activity: 'text_echo', text: 'no verdict' } }, steps: ['a'] }
  expect(await jetty.call('PUT', '/api/v1/tasks/acme/_judgement', { workflow })).toMatchObject({ status: 200 })
  const done = await evaluated(jetty, await startWith({ items: questions.slice(0, 1), judges }))
  expect(done).toMatchObject({ status: 'completed', judgements: { completed: 2 } })
  expect(done.items[0].verdicts).toMatchObject({ clarity: { score: 8 }, polite: { label: 'yes' } })
})

it('the same Idempotency-Key is the same evaluation; a rerun is another one, a run of the task by hand is none', async () => {
  const body = JSON.stringify({ items: [{ question: 'Question 1?' }], judges: [judges[0]] })
  const headers = {
    authorization: `Bearer ${jetty.server.adminToken}`,
    'content-type': 'application/json',
    'idempotency-key': 'evaluate-once',
  }
  const post = async () =>
    (await (
      await fetch(`${jetty.url}/api/v1/evaluations/acme/answer`, { method: 'POST', headers, body })
    ).json()) as Body
  const ids = await Promise.all(Array.from({ length: 10 }, async () => (await post()).evaluation_id))
  expect(new Set(ids).size).toBe(1)
  const done = await evaluated(jetty, ids[0])
  const path = `/api/v1/trajectory/acme/_evaluation/${ids[0]}/rerun`
  const again = await evaluated(jetty, (await jetty.call('POST', path, {})).body.trajectory_id)
  expect(again).toMatchObject({ status: 'completed', task: 'answer', judgements: done.judgements })
  expect(again.items[0]).toMatchObject({ key: done.items[0].key, verdicts: { clarity: { score: 8 } } })
  const byHand = await jetty.start('_evaluation', { init_params: { task: 'answer', items: [] } })
  expect((await jetty.call('GET', `/api/v1/evaluations/acme/${byHand.trajectory_id}`)).status).toBe(404)
})

it('takes any text that JSON has, from whomever: no answer fails for what a client, a file or a model has written', async () => {
  const task = 'any-text'
  await jetty.call('POST', '/api/v1/tasks/acme', { name: task, workflow: answering('plainly') })
  openai.say((body) =>
    askedFor(body).judge === undefined ? 'A plain answer.' : '{"explanation": "odd \\u0000 \\ud800", "label": "yes"}',
  )
  const odd = 'nul \0, half \ud800, "task":"x"],"task":'
  const items = [
    { id: odd, question: 'Question 1?', note: odd, keys: [odd], expected: { trajectory_id: odd } },
    { question: 'Question 2?', model: 'none' },
  ]
  const [, polite] = judges
  const mute = { name: 'mute', instruction: odd.replace('\0', ''), model: 'gpt-4o', categories: [odd, 'b'] }
  const done = await evaluated(jetty, await startWith({ items, judges: [polite, mute] }, task))
  expect(keysOf(done.items)[0]).toBe(odd)
  expect(done.items[0].verdicts.polite.explanation).toContain('odd')
  expect(done.items[0].verdicts.mute).toMatchObject({ status: 'failed', score: null })
  expect(done.items[0].init_params.note).toBe(odd)
  const listed = await jetty.call('GET', `/api/v1/evaluations/acme?task=${task.toUpperCase()}`)
  expect(listed.body.evaluations.map((one: Body) => one.evaluation_id)).toEqual([done.evaluation_id])
  expect((await jetty.call('GET', '/api/v1/evaluations/acme?task=text')).body.evaluations).toEqual([])
  const again = await startWith({ items, judges: [polite], baseline: 'latest' }, task)
  expect((await evaluated(jetty, again)).baseline).toBe(done.evaluation_id)
})

it('two versions of a task are compared, and the answer names both', async () => {
  const task = await jetty.task(answering('carefully'))
  await jetty.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: answering('hastily') })
  await jetty.call('PUT', `/api/v1/tasks/acme/${task}/tags/candidate`, { version: '~-1' })
  const given = { items: questions.slice(0, 3), judges: judges.slice(0, 1) }
  const before = await startWith({ ...given, version: '0' }, task)
  await evaluated(jetty, before)
  const started = await start({ ...given, version: 'candidate', baseline: before }, task)
  expect(started.body.version).toEqual({ ref: 'candidate', index: 1 })
  const done = await evaluated(jetty, started.body.evaluation_id)
  expect(done).toMatchObject({
    version: { ref: 'candidate', index: 1 },
    comparison: { evaluation_id: before, task, version: { ref: '0', index: 0 }, matched: 3 },
  })
  const asked = openai.asked.map((body) => JSON.stringify(body))
  for (const tone of ['carefully', 'hastily']) expect(asked.filter((text) => text.includes(tone))).toHaveLength(3)
  const { body: list } = await jetty.call('GET', `/api/v1/evaluations/acme?task=${task}`)
  expect(list.evaluations.map(({ version }: Body) => version.index)).toEqual([1, 0])
})
