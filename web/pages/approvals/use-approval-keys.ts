import { useKeys } from '../../ui/keys.ts'

/** Moves through the list of approvals by keyboard. */
export const useApprovalKeys = (
  all: string[],
  selected: string | undefined,
  onSelect: (key: string | undefined) => void,
): void => {
  const move = (step: number) => {
    const at = selected === undefined ? (step > 0 ? -1 : all.length) : all.indexOf(selected)
    const next = all[Math.min(all.length - 1, Math.max(0, at + step))]
    if (next !== undefined) onSelect(next)
  }
  useKeys('Approvals', [
    { keys: 'j', does: 'Next approval', run: () => move(1) },
    { keys: 'k', does: 'Previous approval', run: () => move(-1) },
    { keys: 'esc', does: 'Back to the list', run: () => onSelect(undefined) },
  ])
}
