import { AppError } from '../../../../src/lib/errors.ts'

/** The sentences of a 422 about parameters, by the name of the parameter. */
export const errorsByName = (error: unknown): Record<string, string> => {
  if (!(error instanceof AppError)) return {}
  const found = (error.issues ?? []).flatMap(({ loc, msg }): [string, string][] => {
    const at = loc.indexOf('init_params')
    const name = loc[at + 1]
    return at < 0 || name === undefined ? [] : [[String(name), msg]]
  })
  return Object.fromEntries(found)
}
