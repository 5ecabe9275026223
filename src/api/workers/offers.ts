import { AppError, invalidField } from '../../lib/errors.ts'
import { isDeeperThan } from '../../lib/json/json-text.ts'
import { uncheckedByChecker } from '../../lib/json-schema/schema-keywords.ts'
import type { OfferedActivity, RegisterWorker } from '../../model/workers/worker.ts'
import type { NewOffer } from '../../store/workers/workers.ts'

const mostSchemaCharacters = 50_000
const deepestSchema = 64
/** Definitions of all activities of a worker together. */
const mostCharacters = 1_000_000
/** Members of a step that mean something to the server. */
const reserved = new Set(['activity', 'options', 'depends_on', 'timeout_sec', 'runs_on'])

/** Checks the activities that a worker registers, and returns them as they are stored. Throws `invalid`. */
export const offersFrom = ({ activities, version }: RegisterWorker, hashOf: (text: string) => string): NewOffer[] => {
  const names = new Set<string>()
  let characters = 0
  return activities.map((one, at) => {
    const loc = ['body', 'activities', at]
    if (names.has(one.name)) throw invalidField([...loc, 'name'], `Activity '${one.name}' is listed twice`)
    names.add(one.name)
    requireSchema(one, 'parameters', loc)
    requireSchema(one, 'outputs', loc)
    requireParameterNames(one, loc)
    const offered = { ...one, version: one.version ?? version ?? null }
    const definition = JSON.stringify(offered)
    characters += definition.length
    if (characters > mostCharacters) throw tooLarge()
    return {
      name: offered.name,
      version: offered.version,
      hash: hashOf(definition),
      definition,
      concurrency: one.concurrency ?? null,
      timeoutSeconds: one.timeout_seconds ?? null,
    }
  })
}

type Loc = (string | number)[]

const requireSchema = (one: OfferedActivity, key: 'parameters' | 'outputs', loc: Loc): void => {
  const schema = one[key]
  const text = JSON.stringify(schema)
  if (text.length > mostSchemaCharacters || isDeeperThan(text, deepestSchema)) {
    const most = `at most ${mostSchemaCharacters} characters and ${deepestSchema} levels`
    throw invalidField([...loc, key], `A schema has ${most}`)
  }
  if (schema.type !== undefined && schema.type !== 'object') {
    throw invalidField([...loc, key, 'type'], `Expected {"type": "object", …}, not ${JSON.stringify(schema.type)}`)
  }
  const wrong = uncheckedByChecker(schema).find(({ isWrong }) => isWrong)
  if (wrong) throw invalidField([...loc, key, ...wrong.inside], `'${wrong.keyword}' cannot be checked: ${wrong.why}`)
}

/** A step could not give parameters of these names. */
const requireParameterNames = ({ parameters }: OfferedActivity, loc: Loc): void => {
  for (const name of Object.keys((parameters.properties as object | undefined) ?? {})) {
    if (reserved.has(name) || /_path(_expr)?$/.test(name)) {
      const why = reserved.has(name) ? 'a step uses this name itself' : 'a step would read it as a path'
      throw invalidField([...loc, 'parameters', 'properties', name], `A parameter cannot be named '${name}': ${why}`)
    }
  }
}

const tooLarge = (): AppError =>
  new AppError('too_large', `The activities of a worker take at most ${mostCharacters} characters together`, {
    hint: 'Make the schemas simpler, or register several workers.',
  })
