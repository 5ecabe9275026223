import { parseDocument } from 'yaml'
import { AppError } from '../../lib/errors.ts'

/** The JSON text of a YAML text, with keys in the order in which they are written; `path` names it in an error. */
export const jsonOfYaml = (path: string, text: string): string => {
  const document = parseDocument(text)
  const [error] = document.errors
  if (error) throw new AppError('invalid', `${path} is not YAML: ${error.message.replace(/\s+/g, ' ')}`)
  return jsonText(document.toJS({ mapAsMap: true }))
}

/** Objects come as maps: a JavaScript object would put keys that are numbers first. */
const jsonText = (value: unknown): string => {
  if (value instanceof Map) {
    return `{${[...value].map(([key, item]) => `${JSON.stringify(String(key))}:${jsonText(item)}`).join(',')}}`
  }
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`
  return JSON.stringify(value) ?? 'null'
}
