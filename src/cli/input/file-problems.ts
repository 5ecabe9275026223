import { AppError, messageOf } from '../../lib/errors.ts'

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'your disk quota is used up',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its symbolic links form a loop, or links are not allowed here',
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
