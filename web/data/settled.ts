import { useEffect, useState } from 'react'

/** A value that follows another one when that has not changed for a moment. */
export const useSettled = (value: string, afterMs = 300): string => {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), afterMs)
    return () => clearTimeout(timer)
  }, [value, afterMs])
  return settled
}
