import { AppError } from '../../lib/errors.ts'
import { nearest } from '../../lib/text/nearest.ts'
import { convertedTo, type Shape, shapeFacts } from '../../model/gateway/shape.ts'
import { catalogue } from '../catalogue.ts'
import type { Asked, RoutableModel } from '../provider.ts'
import { callsAnswered } from './model-kinds.ts'
import type { Unroutable } from './resolve.ts'

const namesListed = 3

/** Whether a model may answer this shape, judged by its name. For responses and completions, names say nothing. */
const mayAnswer = (shape: Shape, name: string): boolean =>
  !shapeFacts[shape].insteadChat && callsAnswered(name).some((call) => call === convertedTo(shape))

/** The most similar names, the most similar first. */
const nearestNames = (word: string, names: string[]): string[] => {
  const left = new Map<string, string>()
  for (const name of names) {
    for (const spelling of [name, name.slice(name.lastIndexOf('/') + 1)]) {
      if (!left.has(spelling)) left.set(spelling, name)
    }
  }
  const found: string[] = []
  while (found.length < namesListed) {
    const next = nearest(word, left.keys())
    const name = next === undefined ? undefined : left.get(next)
    if (name === undefined) break
    found.push(name)
    for (const [spelling, of] of left) if (of === name) left.delete(spelling)
  }
  return found
}

const reason = ({ variables, problem }: Unroutable, asked: Asked, shape: Shape): string => {
  if (problem !== undefined) return problem
  if (variables.length > 0) {
    const otherwise = shapeFacts[shape].insteadChat ? ', or call it with POST /v1/chat/completions' : ''
    return `set ${variables.join(' or ')} in the environment of the collection${otherwise}`
  }
  return `no provider is known to serve '${asked.model}'`
}

const advice = ({ variables, problem, hint }: Unroutable, asked: Asked, shape: Shape): string => {
  if (hint !== undefined) return hint
  const known = catalogue.flatMap(({ id, aliases }) => [id, ...aliases])
  const guess = problem === undefined || asked.provider === undefined ? undefined : nearest(asked.provider, known)
  if (guess) return `Did you mean the provider '${guess}'?`
  if (shapeFacts[shape].insteadChat) return 'Every provider answers chat completions.'
  if (variables.length > 0) return 'A run can be given the value itself, in secret_params.'
  return 'Write provider/model, such as openai/gpt-4o-mini; custom/<name>/<model> calls the server at <NAME>_BASE_URL.'
}

/** The error for a model that cannot be called: it names the variable to set, and similar models that can be. */
export const unroutable = (
  asked: Asked,
  why: Unroutable,
  routable: RoutableModel[],
  shape: Shape = 'chat',
): AppError => {
  const word = asked.model.slice(asked.model.lastIndexOf('/') + 1)
  const near = nearestNames(
    word,
    routable.map(({ id }) => id).filter((id) => mayAnswer(shape, id)),
  )
  const instead = near.length > 0 ? `; nearest that can be asked now: ${near.join(', ')}` : ''
  const message = `Model '${asked.model}' cannot be served: ${reason(why, asked, shape)}${instead}`
  return new AppError('model_unavailable', message, { hint: advice(why, asked, shape) })
}
