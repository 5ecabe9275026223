import type { Command } from 'commander'
import pc from 'picocolors'
import { eventsOf } from '../../client/follow.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { ChatChunk, ChatCompletion, ChatMessage } from '../../model/gateway/chat.ts'
import { readInputText } from '../input/inputs.ts'
import { placeText } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'
import { mayUseTrial } from '../trial.ts'

interface ChatOptions {
  model: string
  system?: string
  collection?: string
}

/** `jetty chat`. */
export const registerChat = (program: Command): void => {
  program
    .command('chat [words...]')
    .description(
      'Call a model through the gateway and print its answer as it comes; without words, the prompt is stdin',
    )
    .requiredOption('-m, --model <model>', 'model to call')
    .option('-s, --system <text>', 'system prompt')
    .option(
      '-c, --collection <collection>',
      'collection whose model keys are used (default: the home collection of your key)',
    )
    .addHelpText(
      'after',
      `
Each call is recorded under the task _chat of its collection. With --json the whole completion is printed at the end.

Examples:
  jetty chat -m scripted/echo "Is anybody there?"
  jetty chat -m gpt-4o-mini -s "Answer in one sentence" < question.txt
  jetty chat -m anthropic/claude-sonnet-4-6 -c acme "What is a jetty?"
  jetty api listRoutableModels                      the available models`,
    )
    .action(withSession<ChatOptions, [string[]]>((session, [words], options) => chat(session, words, options)))
}

const chat = async (session: Session, words: string[], options: ChatOptions): Promise<void> => {
  const question = words.length > 0 ? words.join(' ') : readQuestion()
  const collection = options.collection ?? (await homeCollection(session))
  const messages: ChatMessage[] = [{ role: 'user', content: question }]
  if (options.system !== undefined) messages.unshift({ role: 'system', content: options.system })
  // A scripted model needs no key, so it must not count as a call of the trial.
  const isScripted = options.model.startsWith('scripted/')
  const borrows = !isScripted && (await mayUseTrial(session, collection, []))
  const response = (await session.call('createChatCompletion', {
    body: {
      model: options.model,
      messages,
      ...(session.out.isJson ? {} : { stream: true }),
      jetty: { runbook: false, collection, use_trial_keys: borrows },
    },
    signal: session.signal,
    asResponse: true,
  })) as Response
  const place = placeOf(response, collection)
  if (session.out.isJson) session.out.answer((await response.json()) as ChatCompletion, () => '')
  else await printAnswer(response, session.signal, place)
  session.out.note(pc.dim([place, ...trialLeft(response)].join(' · ')))
}

const readQuestion = (): string => {
  const text = process.stdin.isTTY ? '' : readInputText('-').trim()
  if (text !== '') return text
  throw new AppError('invalid', 'The question is empty', { hint: 'For example: jetty chat -m scripted/echo "Hello"' })
}

const homeCollection = async ({ client }: Session): Promise<string> => {
  const { collections, home_collection: home } = await client.whoAmI()
  if (home !== null) return home
  throw new AppError(
    'invalid',
    'The token covers several collections, or none, so the collection whose model keys to use is unclear',
    {
      hint: collections.length > 0 ? `Name one with -c: ${collections.join(', ')}` : 'Name a collection with -c.',
    },
  )
}

/** Describes the rest of the trial, if the call belonged to one. */
const trialLeft = ({ headers }: Response): string[] => {
  const runs = headers.get('x-jetty-trial-runs-remaining')
  const minutes = headers.get('x-jetty-trial-minutes-remaining')
  return runs === null ? [] : [`trial: ${runs} runs, ${minutes} minutes remaining`]
}

/** Describes where the call is recorded, if it is. */
const placeOf = ({ headers }: Response, collection: string): string => {
  const id = headers.get('x-jetty-trajectory-id')
  return id === null || headers.get('x-jetty-record') === 'off'
    ? 'not recorded'
    : placeText({ collection, task: '_chat', trajectory_id: id })
}

/** Prints the answer as it arrives. An error within it says where the received part is recorded. */
const printAnswer = async (response: Response, signal: AbortSignal, place: string): Promise<void> => {
  let printed = ''
  try {
    for await (const { data } of eventsOf(response)) {
      if (data === '[DONE]') return
      const chunk = JSON.parse(data) as ChatChunk & { error?: { message?: string } }
      if (chunk.error) throw brokenOff(chunk.error.message ?? 'The model failed', place)
      const text = safe(chunk.choices[0]?.delta?.content ?? '')
      process.stdout.write(text)
      printed += text
    }
    throw brokenOff('The connection ended', place)
  } catch (error) {
    if (signal.aborted || error instanceof AppError) throw error
    throw brokenOff(messageOf(error), place)
  } finally {
    if (!printed.endsWith('\n')) process.stdout.write('\n')
  }
}

const brokenOff = (why: string, place: string): AppError =>
  new AppError('upstream_failed', `The answer stopped early: ${why}`, {
    hint: `The part that arrived is recorded: ${place}`,
  })
