import { AppError } from '../../src/lib/errors.ts'

/** Messages of a refused request by the last name of the field; `rest` is what names none of the given fields. */
export const fieldErrors = <Name extends string>(
  error: unknown,
  fields: readonly Name[],
): { at: Partial<Record<Name, string>>; rest: unknown } => {
  if (!(error instanceof AppError) || error.issues === undefined) return { at: {}, rest: error ?? undefined }
  const at: Partial<Record<Name, string>> = {}
  let isLeft = false
  for (const { loc, msg } of error.issues) {
    const field = fields.find((name) => loc.slice(1).includes(name))
    if (field === undefined) isLeft = true
    else at[field] ??= msg
  }
  return { at, rest: isLeft ? error : undefined }
}
