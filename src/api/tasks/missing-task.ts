import { AppError } from '../../lib/errors.ts'

export const missingTask = (task: string, collection: string): AppError =>
  new AppError('not_found', `Task '${task}' in collection '${collection}' not found`)
