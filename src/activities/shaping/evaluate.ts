import { createRequire } from 'node:module'
import type jsonataModule from 'jsonata'

/** Loaded when it is needed: most servers start without an expression. */
const load = () => createRequire(import.meta.url)('jsonata') as typeof jsonataModule

interface Fault {
  message?: string
  position?: number
}

/** JSONata throws plain objects; the position is that of a character. */
const faultText = (thrown: unknown): string => {
  const { message, position } = thrown as Fault
  if (thrown instanceof RangeError) return 'it is nested too deeply'
  return `${message ?? String(thrown)}${position === undefined ? '' : ` (at character ${position})`}`
}

/** The fault of a JSONata expression; undefined if it can be evaluated. Reading takes the square of its length. */
export const expressionFault = (expression: string): string | undefined => {
  try {
    load()(expression)
    return undefined
  } catch (error) {
    return faultText(error)
  }
}

const isFunction = (value: unknown): boolean =>
  typeof value === 'function' ||
  (typeof value === 'object' && value !== null && ('_jsonata_lambda' in value || '_jsonata_function' in value))

/** Evaluates a JSONata expression. What leads to nothing is null. Throws an error with the position of the fault. */
export const evaluate = async (expression: string, input: unknown): Promise<unknown> => {
  let result: unknown
  try {
    result = await load()(expression).evaluate(input)
  } catch (error) {
    throw new Error(faultText(error))
  }
  if (isFunction(result)) throw new Error('the expression returns a function; call it, as in $f(value)')
  const text = JSON.stringify(result, (_, value) => (isFunction(value) ? null : value))
  return text === undefined ? null : JSON.parse(text)
}
