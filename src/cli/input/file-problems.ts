import { AppError, messageOf } from '../../lib/errors.ts'

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EISDIR: 'it is a folder',
  ENOTDIR: 'its path leads through a file',
  EACCES: 'you may not',
  EPERM: 'you may not',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'your share of the disk is used up',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its symbolic links lead in a circle, or none may be followed',
}

/** Explains a file system error without system call names. */
export const fileReason = (error: unknown): string => {
  const { code = '' } = error as NodeJS.ErrnoException
  return reasons[code] ?? messageOf(error)
}

export const unreadableFile = (path: string, error: unknown): AppError =>
  new AppError('invalid', `${path} cannot be read: ${fileReason(error)}`, { cause: error })

export const unwritableFile = (path: string, error: unknown): AppError =>
  new AppError('invalid', `${path} cannot be written: ${fileReason(error)}`, { cause: error })
