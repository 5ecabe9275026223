import { completion, startFakeOpenAi } from '../../fakes/openai.ts'
import type { Body } from '../../server.ts'

/** A provider whose answers have a quality that a judge reads, and whose lengths are drawn, so that its bill is known. */
export interface GradedProvider {
  url: string
  /** Requests so far, and what they cost in US dollars at the list price of gpt-4o-mini. */
  bill: { answers: number; judgements: number; usd: number }
  /** Draws other qualities and lengths from now on. */
  reseed(seed: number): void
  close(): Promise<void>
}

const textOf = (body: Body): string => body.messages.map(({ content }: Body) => String(content)).join('\n')

/** How good answers to a prompt are on average. */
const quality: Record<string, number> = { well: 6, badly: 4.5, brilliantly: 7.5, nicely: 6 }

/** Starts one. A prompt says `Answer badly.`; the answer says its quality; a judge scores what it says. */
export const startGradedProvider = async (): Promise<GradedProvider> => {
  const openai = await startFakeOpenAi()
  const bill = { answers: 0, judgements: 0, usd: 0 }
  let drawn = 7
  const random = () => {
    drawn = (drawn * 1_103_515_245 + 12_345) % 2_147_483_648
    return drawn / 2_147_483_648
  }
  openai.choose((body) => {
    const text = textOf(body)
    const isJudge = text.includes('impartial judge')
    bill[isJudge ? 'judgements' : 'answers']++
    const tone = /Answer (\w+)/.exec(text)?.[1] ?? ''
    const found = Number(/quality=([\d.]+)/.exec(text)?.[1] ?? 0)
    const made = (quality[tone] ?? 0) + 3 * (random() + random() + random() - 1.5)
    const score = Math.min(10, Math.max(1, Math.round(found)))
    const verdict = text.includes('Answer yes or no') ? { label: score >= 5 ? 'yes' : 'no' } : { score }
    const said = isJudge ? JSON.stringify({ explanation: 'So it is.', ...verdict }) : `quality=${made.toFixed(6)}`
    const usage = { prompt_tokens: 300, completion_tokens: isJudge ? 20 : 50 + Math.floor(800 * random()) }
    bill.usd += (usage.prompt_tokens * 0.15 + usage.completion_tokens * 0.6) / 1e6
    const more = { usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens } }
    return { body: completion(body.model, said, more) }
  })
  return {
    ...{ url: openai.url, bill },
    reseed(seed) {
      drawn = seed
    },
    close: () => openai.close(),
  }
}

/** A workflow whose answer has the quality that its prompt asks for; it asks only if `asks` is true. */
export const gradedWorkflow = (tone: string, more: { notify?: Body } = {}): Body => ({
  init_params: { question: '', asks: true },
  step_configs: {
    asks: {
      activity: 'conditional_branch',
      condition_path: 'init_params.asks',
      true_step: 'answer',
      false_step: 'pass',
    },
    answer: {
      activity: 'litellm_chat',
      model: 'gpt-4o-mini',
      system_prompt: `Answer ${tone}.`,
      prompt_path: 'init_params.question',
    },
    pass: { activity: 'text_template', template: 'Nothing was asked.' },
    ...(more.notify && { notify: more.notify }),
  },
  steps: ['asks', 'answer', 'pass', ...(more.notify ? ['notify'] : [])],
})

/** A judge that reads the quality of an answer. */
export const gradingJudge = {
  ...{ name: 'good', instruction: 'Is it good?', model: 'gpt-4o-mini', scale: { min: 1, max: 10 } },
}
