import { startFakeOpenAi } from '../../fakes/openai.ts'
import { answerAndJudge, answering, askedFor, judges, questions } from '../../integration/fan-out/evaluating.ts'
import { collection, makeClient } from '../harness/client.ts'
import { seeded } from '../harness/random.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { until, untilAllEnded } from '../harness/storm.ts'
import { startVictim } from '../harness/victim.ts'

const atOnce = 8

interface Judged {
  key: string
  judgements: number
  labels: number
}

/** What of the database is wrong: judgements of a run by a judge, and the labels that came of them. */
const wrongJudgements = async (site: Site): Promise<string[]> => {
  const runs = await site.rows<Judged>(
    `select r.init_params::json->>'id' as key,
       (select count(*)::int from runs j where j.name = $2 and j.status = 'completed'
          and j.init_params::json->>'trajectory_id' = r.trajectory_id) as judgements,
       (select count(*)::int from labels l where l.run_id = r.id and l.author like 'judge/%') as labels
     from runs r where r.name = $1`,
    [`${collection}/answer`, `${collection}/_judgement`],
  )
  return [
    ...(runs.length === questions.length ? [] : [`${questions.length} items led to ${runs.length} runs`]),
    ...runs
      .filter(({ judgements, labels }) => judgements !== judges.length || labels !== judges.length)
      .map(({ key, judgements, labels }) => `${key} has ${judgements} judgements and ${labels} labels`),
  ]
}

/**
 * An evaluation whose server is killed while runs and judges are at work: every run is judged once by every judge, and
 * only what was being asked at a kill is asked again.
 */
export const evaluations = async ({ kills }: { kills: number }): Promise<string[]> => {
  const random = seeded('evaluations')
  const site = makeSite()
  const client = makeClient()
  const openai = await startFakeOpenAi()
  answerAndJudge(openai)
  const { asked: answers } = openai
  openai.choose(() => ({ delayMs: random.between(5, 40) }))
  const env = { OPENAI_BASE_URL: openai.url }
  try {
    const victim = await startVictim(site, env)
    await client.setUp(victim.url, { answer: answering('carefully') })
    const variables = { environment_variables: { OPENAI_API_KEY: 'sk-crash-of-evaluations' } }
    await client.call(victim.url, 'PATCH', `/collections/${collection}/environment`, variables)
    const body = { items: questions, judges, max_concurrency: atOnce }
    const { evaluation_id: id } = (await client.call(victim.url, 'POST', `/evaluations/${collection}/answer`, body))
      .body
    const all = questions.length * (1 + judges.length)
    await victim.killOften(kills, (kill) => {
      const goal = Math.round((all * (kill + 1)) / (kills + 1))
      return until(`${goal} calls`, () => answers.length >= goal)
    })
    await untilAllEnded(site)
    const path = `/evaluations/${collection}/${id}?limit=0`
    const { body: done } = await client.call(victim.url, 'GET', path)
    const counts = new Map<string, number>()
    for (const { body: asked } of answers) {
      const { question, judge } = askedFor(asked)
      const call = `${judge ?? 'answer'} ${question}`
      counts.set(call, (counts.get(call) ?? 0) + 1)
    }
    const repeated = answers.length - counts.size
    console.log('evaluations:', JSON.stringify({ kills, calls: answers.length, repeated }))
    return [
      ...(await wrongJudgements(site)),
      ...(done.status === 'completed' && done.judgements.completed === all - questions.length
        ? []
        : [JSON.stringify(done)]),
      ...(done.judges.every((judge: { n: number }) => judge.n === questions.length) ? [] : ['an item has no verdict']),
      ...(counts.size === all ? [] : [`${all} calls were to be made, ${counts.size} were`]),
      ...(repeated <= kills * atOnce ? [] : [`${repeated} calls were repeated after ${kills} kills`]),
    ]
  } finally {
    await site.close()
    await openai.close()
  }
}
