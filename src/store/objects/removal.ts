import { AppError, messageOf } from '../../lib/errors.ts'

/** Some objects could not be removed; all others are gone. */
export class RemovalFailed extends Error {
  readonly ids: readonly string[]

  constructor(ids: readonly string[], cause: unknown) {
    super(`${ids.length} stored files cannot be removed, the first is ${ids[0]}: ${messageOf(cause)}`, { cause })
    this.name = 'RemovalFailed'
    this.ids = ids
  }
}

/** Throws `RemovalFailed` if there are failures. */
export const throwFailed = (failed: readonly { id: string; error: unknown }[]): void => {
  const [first] = failed
  if (!first) return
  throw new RemovalFailed(
    failed.map(({ id }) => id),
    first.error,
  )
}

/** Removes an object for a caller who waits. A storage that is away is named as such. */
export const removeNow = async (objects: { remove(ids: string[]): Promise<void> }, id: string): Promise<void> => {
  try {
    await objects.remove([id])
  } catch (error) {
    throw error instanceof RemovalFailed && error.cause instanceof AppError ? error.cause : error
  }
}

/** Removes what can be removed and returns the failures. */
export const removeAll = async (
  objects: { remove(ids: string[]): Promise<void> },
  ids: string[],
): Promise<RemovalFailed | undefined> => {
  try {
    await objects.remove(ids)
    return undefined
  } catch (error) {
    if (error instanceof RemovalFailed) return error
    throw error
  }
}
