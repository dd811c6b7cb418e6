"""What has changed since a policy went live, told from its decision log.

chances    p-values of two samples of counts, of shares, of logged probabilities
alarms     what is told: alarms and the figures behind them; the share of false alarms
drift      columns in blocks against a reference: features, scores, mix, gaps, delays
mechanism  who fell where, against the shares that were set and the probabilities logged
watch      follows a log and gives a report
"""
