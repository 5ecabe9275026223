import type { FakeOpenAi } from '../../fakes/openai.ts'
import type { Body, TestServer } from '../../server.ts'

export const modelKey = 'sk-evaluation-unmistakable-5d0c7a19e4'

/** A task whose workflow asks a model the item's question, in a tone that the fake listens to. */
export const answering = (tone: string) => ({
  init_params: { question: '' },
  step_configs: {
    answer: {
      activity: 'litellm_chat',
      model: 'gpt-4o-mini',
      system_prompt: `Answer ${tone}.`,
      prompt_path: 'init_params.question',
    },
  },
  steps: ['answer'],
})

export const judges = [
  { name: 'clarity', instruction: 'Is the answer clear?', model: 'gpt-4o', scale: { min: 1, max: 10 } },
  { name: 'polite', instruction: 'Is the answer polite?', model: 'gpt-4o', binary: true },
]

/** 40 questions; each says what is expected. */
export const questions = Array.from({ length: 40 }, (_, at) => ({
  id: `q${at}`,
  question: `Question ${at}?`,
  expected: `The answer to ${at}`,
}))

const said = (body: Body): string =>
  body.messages.map(({ content }: { content: unknown }) => String(content)).join('\n')

/** What a request asks of the fake: a judgement, of which judge, or an answer to which question. */
export const askedFor = (body: Body): { judge?: string; question: string } => {
  const text = said(body)
  const question = /Question (\d+)\?/.exec(text)?.[1] ?? ''
  if (!text.includes('You are an impartial judge')) return { question }
  return { question, judge: text.includes('polite') ? 'polite' : 'clarity' }
}

/** What becomes of some questions when they are answered in haste. */
export const hasty: Record<string, 'muddled' | 'rude' | 'refused' | 'lucid'> = {
  7: 'muddled',
  19: 'muddled',
  33: 'rude',
  12: 'refused',
  25: 'lucid',
}

/** A model that answers, and judges what was answered by the words in it. */
export const answerAndJudge = (openai: FakeOpenAi): void => {
  openai.choose((body) => {
    const { judge, question } = askedFor(body)
    const isRefused = judge === undefined && said(body).includes('hastily') && hasty[question] === 'refused'
    return isRefused ? { status: 400, body: { error: { message: 'This question is refused' } } } : undefined
  })
  openai.say((body) => {
    const { judge, question } = askedFor(body)
    const text = said(body)
    if (judge === undefined)
      return text.includes('hastily') ? `A ${hasty[question] ?? 'plain'} answer.` : 'A plain answer.'
    if (judge === 'polite')
      return `{"explanation": "By its tone.", "label": "${text.includes('A rude') ? 'no' : 'yes'}"}`
    const score = text.includes('A muddled') ? 3 : text.includes('A lucid') ? 10 : 8
    return `{"explanation": "It reads like ${score}.", "score": ${score}}`
  })
}

/** Waits for the end of an evaluation and gives it. */
export const evaluated = async (jetty: TestServer, id: string, query = ''): Promise<Body> => {
  for (let look = 0; look < 2_400; look++) {
    const { status, body } = await jetty.call('GET', `/api/v1/evaluations/acme/${id}${query}`)
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
    if (body.ended !== null) return body
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the evaluation does not end')
}
