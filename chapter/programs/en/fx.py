def fx(x):
    return x * x
